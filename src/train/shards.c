#include "train/shards.h"

#include <stdlib.h>

#include "comm/reduce.h"
#include "core/memory.h"

static int64_t blocks_in(int64_t elements) {
  return (elements + TT_BLOCK - 1) / TT_BLOCK;
}

int64_t tt_shard_begin(const tt_bucket *bucket, int ranks, int r) {
  int64_t begin = blocks_in(bucket->count) * r / ranks * TT_BLOCK;
  return bucket->first + (begin < bucket->count ? begin : bucket->count);
}

// The ranks that share a bucket, and which of them has this place (comm/mesh.h).
static int sharers(const tt_parameters *p, int k, int data, int place, int *own) {
  *own = p->bucket[k].split ? place : p->place * data + place;
  return p->bucket[k].split ? data : p->group * data;
}

static int64_t owned_of(const tt_parameters *p, int k, int data, int place) {
  int own, ranks = sharers(p, k, data, place, &own);
  return tt_shard_begin(&p->bucket[k], ranks, own + 1) - tt_shard_begin(&p->bucket[k], ranks, own);
}

tt_ownership tt_shards_owned(const tt_parameters *p, int data, int place) {
  tt_ownership sum = {0, 0};
  for (int k = 0; k < p->buckets; k++) {
    int64_t elements = owned_of(p, k, data, place);
    sum.elements += elements;
    sum.blocks += blocks_in(elements);
  }
  return sum;
}

void tt_shards_traffic(const tt_parameters *p, int data, int place, int64_t sent[TT_TRAFFIC_KINDS]) {
  for (int k = 0; k < p->buckets; k++) {
    int own, ranks = sharers(p, k, data, place, &own);
    int64_t elements = owned_of(p, k, data, place);
    sent[TT_TRAFFIC_GRADIENTS] += (p->bucket[k].count - elements) * (int64_t)sizeof(float);
    sent[TT_TRAFFIC_WEIGHTS] += (ranks - 1) * elements * (int64_t)sizeof(float);
  }
  sent[TT_TRAFFIC_NORMS] +=
      (p->group * data - 1) * tt_shards_owned(p, data, place).blocks * (int64_t)sizeof(double);
}

int64_t tt_shards_landing(const tt_parameters *p, int data) {
  int64_t most = 0;
  for (int k = 0; k < p->buckets; k++) {
    int own, ranks = sharers(p, k, data, 0, &own);
    int64_t longest = 0;
    for (int r = 0; r < ranks; r++) {
      int64_t count = tt_shard_begin(&p->bucket[k], ranks, r + 1) - tt_shard_begin(&p->bucket[k], ranks, r);
      if (count > longest) longest = count;
    }
    int64_t floats = tt_reduction_floats(ranks, longest);
    if (floats > most) most = floats;
  }
  return most;
}

static tt_status cut(tt_shard *s, const tt_mesh *mesh, const tt_bucket *bucket) {
  s->ranks = bucket->split ? &mesh->data : &mesh->whole;
  int size = s->ranks->size;
  TT_TRY(tt_alloc(&s->segment, (size_t)size + 1, sizeof *s->segment, "shards of the parameters"));
  TT_TRY(tt_alloc(&s->counts, (size_t)size, sizeof *s->counts, "shards of the parameters"));
  for (int r = 0; r <= size; r++) s->segment[r] = tt_shard_begin(bucket, size, r);
  for (int r = 0; r < size; r++) s->counts[r] = s->segment[r + 1] - s->segment[r];
  s->first = s->segment[s->ranks->rank];
  s->count = s->counts[s->ranks->rank];
  return TT_OK;
}

tt_status tt_shards_make(tt_shards *shards, const tt_mesh *mesh, const tt_parameters *parameters) {
  *shards = (tt_shards){.count = parameters->buckets};
  TT_TRY(tt_alloc(&shards->list, (size_t)shards->count, sizeof *shards->list, "shards of the parameters"));
  for (int k = 0; k < shards->count; k++) {
    tt_shard *s = &shards->list[k];
    TT_TRY(cut(s, mesh, &parameters->bucket[k]));
    s->own = shards->own;
    shards->own += s->count;
    shards->own_blocks += blocks_in(s->count);
  }
  return TT_OK;
}

void tt_shards_free(tt_shards *shards) {
  for (int k = 0; shards->list && k < shards->count; k++)
    free(shards->list[k].segment), free(shards->list[k].counts);
  free(shards->list);
  *shards = (tt_shards){0};
}

bool tt_shards_next(const tt_shards *shards, const tt_parameters *parameters, tt_own_walk *walk) {
  while (walk->shard < shards->count && walk->next == shards->list[walk->shard].count)
    walk->shard++, walk->next = 0;
  if (walk->shard == shards->count) return false;
  const tt_shard *s = &shards->list[walk->shard];
  walk->run = tt_parameters_run(parameters, s->first + walk->next, s->first + s->count);
  walk->own = s->own + walk->next;
  walk->next += walk->run.count;
  return true;
}

tt_status tt_shards_gather(const tt_shards *shards, float *flat) {
  for (int k = 0; k < shards->count; k++) {
    const tt_shard *s = &shards->list[k];
    TT_TRY(tt_comm_gather_all_v(s->ranks, flat + s->first, flat + s->segment[0], s->counts, sizeof(float)));
  }
  return TT_OK;
}
