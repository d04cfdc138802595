// The sum of the ranks' gradients, each rank its own segment.
#include <stdlib.h>
#include <string.h>

#include "comm/check.h"

// Floats of one part from one rank: together what stays in a cache, but messages that are worth sending.
static int64_t part_floats(const tt_comm *comm) {
  enum { TOGETHER = 1 << 21, LEAST = 1 << 16 };
  int64_t floats = comm->size > 1 ? TOGETHER / (comm->size - 1) : 0;
  if (floats < LEAST) floats = LEAST;
  int64_t most = tt_comm_piece_bytes / (int64_t)sizeof(float);
  return floats < most ? floats : most > 1 ? most : 1;
}

int64_t tt_comm_tree_scratch(const tt_comm *comm) {
  return 2 * (comm->size - 1) * part_floats(comm); // one part is added, one travels
}

typedef struct {
  const tt_comm *comm;
  const int64_t *segment;
  float *partial, *scratch;
  int64_t part;          // floats
  MPI_Request *requests; // (2, 2 * (size - 1))
  float **term;          // (size): what is added, by rank
  int pending[2];        // requests of even and odd parts
} reduction;

// Elements of part k of rank r's segment.
static int64_t part_count(const reduction *d, int r, int64_t k) {
  int64_t left = d->segment[r + 1] - d->segment[r] - k * d->part;
  return left < 0 ? 0 : left < d->part ? left : d->part;
}

// Where part k of the own segment comes to from the k-th next rank.
static float *landing(const reduction *d, int64_t k, int distance) {
  return d->scratch + (k % 2 * (d->comm->size - 1) + distance - 1) * d->part;
}

// Messages between two ranks arrive in the order in which they were sent, so one tag will do.
static void post(reduction *d, int64_t k) {
  const tt_comm *comm = d->comm;
  MPI_Request *request = d->requests + k % 2 * 2 * (comm->size - 1);
  int count = 0;
  int64_t own = part_count(d, comm->rank, k);
  for (int distance = 1; own && distance < comm->size; distance++)
    TT_MPI(comm,
           MPI_Irecv(landing(d, k, distance), (int)own, MPI_FLOAT,
                     (comm->rank - distance + comm->size) % comm->size, 0, comm->mpi, &request[count++]));
  for (int distance = 1; distance < comm->size; distance++) {
    int to = (comm->rank + distance) % comm->size;
    int64_t floats = part_count(d, to, k);
    tt_comm_count(comm, floats * (int64_t)sizeof(float));
    if (floats)
      TT_MPI(comm, MPI_Isend(d->partial + d->segment[to] + k * d->part, (int)floats, MPI_FLOAT, to, 0,
                             comm->mpi, &request[count++]));
  }
  d->pending[k % 2] = count;
}

// In blocks, so that all levels of the tree work on what is in the nearest cache; the block size does not
// touch the order of the additions.
static void add_part(const reduction *d, int64_t k) {
  enum { BLOCK = 2048 };
  int size = d->comm->size, rank = d->comm->rank;
  int64_t n = part_count(d, rank, k);
  float *own = d->partial + d->segment[rank] + k * d->part;
  for (int distance = 1; distance < size; distance++)
    d->term[(rank - distance + size) % size] = landing(d, k, distance);
  d->term[rank] = own;
  for (int64_t begin = 0; begin < n; begin += BLOCK) {
    int64_t m = n - begin < BLOCK ? n - begin : BLOCK;
    for (int width = 1; width < size; width *= 2)
      for (int r = 0; r < size; r += 2 * width) {
        float *left = d->term[r] + begin;
        const float *right = d->term[r + width] + begin;
        for (int64_t i = 0; i < m; i++) left[i] += right[i];
      }
    if (rank) memcpy(own + begin, d->term[0] + begin, (size_t)m * sizeof *own);
  }
}

tt_status tt_comm_tree_reduce(const tt_comm *comm, float *partial, const int64_t *segment, float *scratch) {
  if (comm->size & (comm->size - 1))
    return tt_fail(TT_ERR_ARGUMENT, "%d ranks: the gradient tree needs a power of two", comm->size);
  if (comm->size == 1) return TT_OK;
  size_t others = (size_t)comm->size - 1;
  reduction d = {.comm = comm,
                 .segment = segment,
                 .partial = partial,
                 .scratch = scratch,
                 .part = part_floats(comm),
                 .requests = malloc(4 * others * sizeof *d.requests),
                 .term = malloc((others + 1) * sizeof *d.term)};
  if (!d.requests || !d.term) { // the other ranks are on their way into the exchange
    tt_fail(TT_ERR_MEMORY, "out of memory: tables of %d ranks", comm->size);
    tt_comm_abort(comm);
  }
  int64_t parts = 0;
  for (int r = 0; r < comm->size; r++) {
    int64_t own = (segment[r + 1] - segment[r] + d.part - 1) / d.part;
    if (own > parts) parts = own;
  }
  for (int64_t k = 0; k <= parts; k++) {
    if (k < parts) post(&d, k);
    if (k == 0) continue;
    TT_MPI(comm, MPI_Waitall(d.pending[(k - 1) % 2], d.requests + (k - 1) % 2 * 2 * (comm->size - 1),
                             MPI_STATUSES_IGNORE));
    add_part(&d, k - 1);
  }
  free(d.requests);
  free(d.term);
  return TT_OK;
}
