#include "train/shards.h"

#include <stdlib.h>

#include "core/memory.h"

static tt_status cut(tt_shard *s, const tt_mesh *mesh, const tt_bucket *bucket) {
  s->ranks = bucket->split ? &mesh->data : &mesh->whole;
  int64_t size = s->ranks->size, blocks = (bucket->count + TT_BLOCK - 1) / TT_BLOCK;
  TT_TRY(tt_alloc(&s->segment, (size_t)size + 1, sizeof *s->segment, "shards of the parameters"));
  TT_TRY(tt_alloc(&s->counts, (size_t)size, sizeof *s->counts, "shards of the parameters"));
  for (int64_t r = 0; r <= size; r++) {
    int64_t end = blocks * r / size * TT_BLOCK;
    s->segment[r] = bucket->first + (end < bucket->count ? end : bucket->count);
  }
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
    shards->own_blocks += (s->count + TT_BLOCK - 1) / TT_BLOCK;
  }
  return TT_OK;
}

void tt_shards_free(tt_shards *shards) {
  for (int k = 0; shards->list && k < shards->count; k++)
    free(shards->list[k].segment), free(shards->list[k].counts);
  free(shards->list);
  *shards = (tt_shards){0};
}
