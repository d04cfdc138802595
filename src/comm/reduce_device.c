#include "comm/reduce_device.h"

#include <stdlib.h>
#include <time.h>

#include "comm/check.h"
#include "comm/device_exchange.h"
#include "core/memory.h"

enum { FLOAT = sizeof(float) };

typedef struct {
  const tt_comm *ranks;
  float *partial;
  const int64_t *segment;
  int64_t longest;
  tt_traffic_kind kind; // what it is counted as
} stretch;

struct tt_device_reduction {
  const tt_device_arrays *arrays;
  float *landing; // on the device: terms of the other ranks, in their order
  int64_t floats;
  stretch *list; // begun, in that order; over MPI they wait there
  int count;
};

tt_status tt_device_reduction_create(tt_device_reduction **reduction, int stretches, const tt_link *link,
                                     int64_t floats) {
  tt_device_reduction *d = NULL;
  *reduction = NULL;
  TT_TRY(tt_alloc(&d, 1, sizeof *d, "the gradient exchange"));
  *reduction = d;
  *d = (tt_device_reduction){.arrays = link->arrays, .floats = floats};
  TT_TRY(tt_alloc(&d->list, (size_t)stretches, sizeof *d->list, "the gradient exchange"));
  d->landing = link->arrays->allocate((size_t)floats * FLOAT);
  if (!d->landing)
    return tt_fail(TT_ERR_MEMORY, "out of memory on the device: %.1f MB for the gradient exchange",
                   1e-6 * (double)floats * FLOAT);
  return TT_OK;
}

void tt_device_reduction_free(tt_device_reduction *d) {
  if (!d) return;
  if (d->landing) d->arrays->release(d->landing);
  free(d->list);
  free(d);
}

static int64_t part_count(const stretch *s, int r, int64_t at, int64_t part) {
  int64_t left = s->segment[r + 1] - s->segment[r] - at;
  return left < 0 ? 0 : left < part ? left : part;
}

// Elements at .. at + part - 1 of every segment go to its owner, who adds.
static void reduce_part(const tt_device_reduction *d, const stretch *s, int64_t at, int64_t part,
                        tt_queue queue) {
  const tt_comm *ranks = s->ranks;
  int rank = ranks->rank;
  int64_t own = part_count(s, rank, at, part);
  tt_places_of_ranks p = tt_comm_places(ranks);
  for (int r = 0; r < ranks->size; r++) {
    if (r == rank) continue;
    p.send_at[r] = (s->segment[r] + at) * FLOAT;
    p.send_bytes[r] = part_count(s, r, at, part) * FLOAT;
    p.receive_at[r] = (r < rank ? r : r - 1) * part * FLOAT;
    p.receive_bytes[r] = own * FLOAT;
  }
  tt_device_exchange(ranks, queue, s->partial, &p, d->landing);
  tt_comm_places_free(&p);
  float *mine = s->partial + s->segment[rank] + at;
  if (own > 0) d->arrays->queues->sum(queue, FLOAT, d->landing, part, rank, ranks->size, own, mine, mine);
}

// In parts for which there is room; in a queue they follow each other, so one room will do.
static void reduce(const tt_device_reduction *d, const stretch *s, tt_queue queue) {
  int64_t part = d->floats / (s->ranks->size - 1);
  if (part > s->longest) part = s->longest;
  for (int64_t at = 0; at < s->longest; at += part) reduce_part(d, s, at, part, queue);
}

static void queue_up(const tt_device_reduction *d, const stretch *s) {
  const tt_queues *queues = d->arrays->queues;
  const tt_link *link = s->ranks->link;
  const int64_t *segment = s->segment;
  int rank = s->ranks->rank;
  queues->follow(TT_QUEUE_EXCHANGE, TT_QUEUE_COMPUTE);
  if (!link->library_sums) {
    reduce(d, s, TT_QUEUE_EXCHANGE);
    return;
  }
  tt_comm_meet(s->ranks);
  tt_comm_count(s->ranks,
                (segment[s->ranks->size] - segment[0] - (segment[rank + 1] - segment[rank])) * FLOAT);
  tt_nccl_sum_segments(link->nccl, queues->stream(TT_QUEUE_EXCHANGE), s->partial, segment);
}

void tt_device_reduction_begin(tt_device_reduction *d, const tt_comm *ranks, float *partial,
                               const int64_t *segment, int64_t longest) {
  tt_traffic_kind kind = ranks->traffic ? ranks->traffic->now : TT_TRAFFIC_OTHER;
  d->list[d->count++] = (stretch){ranks, partial, segment, longest, kind};
  if (ranks->link->nccl) queue_up(d, &d->list[d->count - 1]);
}

// Until the exchanges are done, or NCCL says that they never will be.
static void wait_for_queue(const tt_device_reduction *d) {
  const tt_queues *queues = d->arrays->queues;
  static const tt_call here = {TT_WITH_RANKS, "NCCL, the exchange of gradients", "tt_reduction_finish"};
  const tt_call *before = tt_position_enter(&here, NULL);
  queues->follow(TT_QUEUE_COMPUTE, TT_QUEUE_EXCHANGE);
  while (!queues->idle(TT_QUEUE_EXCHANGE)) {
    tt_nccl_look();
    nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
  }
  tt_position_leave(before);
}

void tt_device_reduction_finish(tt_device_reduction *d) {
  if (d->count == 0) return;
  const tt_comm *first = d->list[0].ranks;
  if (first->link->nccl) wait_for_queue(d);
  for (int k = 0; !first->link->nccl && k < d->count; k++) {
    const stretch *s = &d->list[k];
    tt_traffic_kind now = first->traffic ? first->traffic->now : TT_TRAFFIC_OTHER;
    tt_comm_count_as(s->ranks, s->kind);
    reduce(d, s, TT_QUEUE_COMPUTE);
    tt_comm_count_as(s->ranks, now);
  }
  d->count = 0;
}
