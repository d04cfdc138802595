#include "comm/reduce.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "comm/check.h"
#include "comm/reduce_device.h"
#include "core/memory.h"

enum { TAG = 1 }; // no exchange of other kind may take a part that is under way (they have tag 0)

typedef struct {
  const tt_comm *ranks;
  const int64_t *segment;
  float *partial;
  int64_t part, parts; // floats of a part; parts of the longest segment
} stretch;

// A part that is under way.
typedef struct {
  const stretch *of;
  int64_t k; // which part of each segment
  int pending;
  MPI_Request *requests; // (2 * (ranks - 1))
  float *landing;        // (ranks - 1, part)
} transfer;

struct tt_reduction {
  stretch *queue;      // (stretches), in the order of their beginning
  int begun;           // stretches in it
  int at;              // the one whose part is the next to start,
  int64_t next;        // and that part
  transfer slot[2];    // of even and odd parts, counted over all stretches
  int64_t posted, had; // parts that were started; that have been added
  float **term;        // (ranks): what is added, by rank
  float *landing;
  tt_device_reduction *device; // all of it, where the arrays are a device's
};

static int64_t part_floats(int ranks, int64_t longest) {
  enum {
    TOGETHER = 1 << 21,
    LEAST = 1 << 14
  }; // from all ranks together what stays in a cache, but messages
     // that are worth sending
  int64_t floats = ranks > 1 ? TOGETHER / (ranks - 1) : 0;
  int64_t most = tt_comm_piece_bytes / (int64_t)sizeof(float);
  if (floats < LEAST) floats = LEAST;
  if (floats > most) floats = most > 1 ? most : 1;
  return floats < longest ? floats : longest;
}

int64_t tt_reduction_floats(int ranks, int64_t longest) {
  return 2 * (ranks - 1) * part_floats(ranks, longest);
}

tt_status tt_reduction_create(tt_reduction **reduction, int stretches, const tt_comm *all, int64_t floats) {
  tt_reduction *d = NULL;
  size_t others = (size_t)all->size - 1;
  *reduction = NULL;
  TT_TRY(tt_alloc(&d, 1, sizeof *d, "the gradient exchange"));
  *reduction = d;
  if (all->link) return tt_device_reduction_create(&d->device, stretches, all->link, floats);
  TT_TRY(tt_alloc(&d->queue, (size_t)stretches, sizeof *d->queue, "the gradient exchange"));
  TT_TRY(tt_alloc(&d->term, others + 1, sizeof(float *), "the gradient exchange"));
  TT_TRY(tt_alloc(&d->landing, (size_t)floats, sizeof(float), "the gradient exchange"));
  TT_TRY(tt_alloc(&d->slot[0].requests, 4 * others, sizeof(MPI_Request), "the gradient exchange"));
  d->slot[1].requests = d->slot[0].requests + 2 * others;
  d->slot[0].landing = d->landing;
  d->slot[1].landing = d->landing + floats / 2;
  return TT_OK;
}

void tt_reduction_free(tt_reduction *d) {
  if (!d) return;
  tt_device_reduction_free(d->device);
  free(d->queue);
  free(d->term);
  free(d->landing);
  free(d->slot[0].requests);
  free(d);
}

// Elements of part k of rank r's segment.
static int64_t part_count(const stretch *s, int r, int64_t k) {
  int64_t left = s->segment[r + 1] - s->segment[r] - k * s->part;
  return left < 0 ? 0 : left < s->part ? left : s->part;
}

// Where a part comes to from the rank that many places before this one.
static float *landing(const transfer *t, int distance) {
  return t->landing + (distance - 1) * t->of->part;
}

static void post(transfer *t) {
  const stretch *s = t->of;
  const tt_comm *comm = s->ranks;
  int64_t own = part_count(s, comm->rank, t->k);
  t->pending = 0;
  for (int distance = 1; own && distance < comm->size; distance++) {
    int from = (comm->rank - distance + comm->size) % comm->size;
    TT_MPI(comm, MPI_Irecv(landing(t, distance), (int)own, MPI_FLOAT, from, TAG, comm->mpi,
                           &t->requests[t->pending++]));
  }
  // each rank starts with its neighbour, so that not all of them call on rank 0 first
  for (int distance = 1; distance < comm->size; distance++) {
    int to = (comm->rank + distance) % comm->size;
    int64_t floats = part_count(s, to, t->k);
    if (floats)
      TT_MPI(comm, MPI_Isend(s->partial + s->segment[to] + t->k * s->part, (int)floats, MPI_FLOAT, to, TAG,
                             comm->mpi, &t->requests[t->pending++]));
  }
}

// Starts parts, in the order that is the same on all ranks, while there is room for what comes.
static void start(tt_reduction *d) {
  while (d->at < d->begun && d->posted - d->had < 2) {
    transfer *t = &d->slot[d->posted % 2];
    t->of = &d->queue[d->at];
    t->k = d->next;
    if (d->next < t->of->parts) {
      post(t);
      d->posted++;
      d->next++;
    } else {
      d->at++;
      d->next = 0;
    }
  }
}

static bool arrived(const transfer *t, bool wait) {
  const tt_comm *comm = t->of->ranks;
  int all = true;
  if (wait)
    TT_MPI(comm, MPI_Waitall(t->pending, t->requests, MPI_STATUSES_IGNORE));
  else
    TT_MPI(comm, MPI_Testall(t->pending, t->requests, &all, MPI_STATUSES_IGNORE));
  return all;
}

// In blocks, so that all levels of the tree work on what is in the nearest cache; the block size does not
// touch the order of the additions.
static void add(const tt_reduction *d, const transfer *t) {
  enum { BLOCK = 2048 };
  const stretch *s = t->of;
  int size = s->ranks->size, rank = s->ranks->rank;
  int64_t n = part_count(s, rank, t->k);
  float *own = s->partial + s->segment[rank] + t->k * s->part;
  for (int distance = 1; distance < size; distance++)
    d->term[(rank - distance + size) % size] = landing(t, distance);
  d->term[rank] = own;
  for (int64_t begin = 0; begin < n; begin += BLOCK) {
    int64_t m = n - begin < BLOCK ? n - begin : BLOCK;
    for (int width = 1; width < size; width *= 2)
      for (int r = 0; r + width < size; r += 2 * width) {
        float *left = d->term[r] + begin;
        const float *right = d->term[r + width] + begin;
        for (int64_t i = 0; i < m; i++) left[i] += right[i];
      }
    if (rank) memcpy(own + begin, d->term[0] + begin, (size_t)m * sizeof *own);
  }
}

static void advance(tt_reduction *d, bool wait) {
  for (start(d); d->had < d->posted; start(d)) {
    const transfer *oldest = &d->slot[d->had % 2];
    if (!arrived(oldest, wait)) return;
    add(d, oldest);
    d->had++;
  }
}

void tt_reduction_begin(tt_reduction *d, const tt_comm *ranks, float *partial, const int64_t *segment) {
  if (ranks->size == 1) return;
  int64_t longest = 0, all = segment[ranks->size] - segment[0];
  for (int r = 0; r < ranks->size; r++)
    if (segment[r + 1] - segment[r] > longest) longest = segment[r + 1] - segment[r];
  if (longest == 0) return;
  if (d->device) {
    tt_device_reduction_begin(d->device, ranks, partial, segment, longest);
    return;
  }
  int64_t part = part_floats(ranks->size, longest), parts = (longest + part - 1) / part;
  d->queue[d->begun++] = (stretch){ranks, segment, partial, part, parts};
  all -= segment[ranks->rank + 1] - segment[ranks->rank];
  tt_comm_count(ranks, all * (int64_t)sizeof(float));
  start(d);
}

void tt_reduction_progress(tt_reduction *d) {
  if (!d->device) advance(d, false);
}

void tt_reduction_finish(tt_reduction *d) {
  if (d->device) {
    tt_device_reduction_finish(d->device);
    return;
  }
  if (d->begun) tt_comm_meet(d->queue[0].ranks);
  advance(d, true);
  d->begun = d->at = 0;
}
