#include "store/plan.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

#include "core/philox.h"

static uint64_t default_shards(uint64_t records) {
  if (records / 128 <= 16) return records / 128;
  if (records / 4096 <= 16) return 16;
  if (records / 4096 <= 256) return records / 4096;
  return records / 65536 > 256 ? records / 65536 : 256;
}

tt_shard_plan tt_shard_plan_make(uint64_t records, double valid_fraction, uint32_t shards) {
  uint64_t train = shards ? shards : default_shards(records);
  if (train < 1) train = 1;
  if (train > TT_PLAN_TRAIN_SHARDS) train = TT_PLAN_TRAIN_SHARDS;
  double valid = floor((double)train * valid_fraction / (1 - valid_fraction));
  valid = fmin(fmax(valid, 1), TT_PLAN_VALID_SHARDS);
  return (tt_shard_plan){{(uint32_t)train, valid_fraction > 0 ? (uint32_t)valid : 0},
                         (uint64_t)ceil(valid_fraction * 0x1p53)};
}

uint64_t tt_plan_key(const char *smiles, uint64_t seed) {
  return XXH3_64bits_withSeed(smiles, strlen(smiles), seed);
}

tt_split tt_plan_split(const tt_shard_plan *plan, uint64_t key) {
  // other bits than those that choose the shard and the order in it
  return tt_mix64(key ^ 0x76616c6964u) >> 11 < plan->valid_below ? TT_VALID : TT_TRAIN;
}

uint32_t tt_plan_shard_in(const tt_shard_plan *plan, tt_split split, uint64_t key) {
  uint32_t within = (uint32_t)(((key >> 32) * plan->shards[split]) >> 32);
  return split == TT_VALID ? plan->shards[TT_TRAIN] + within : within;
}

uint32_t tt_plan_shard(const tt_shard_plan *plan, uint64_t key) {
  return tt_plan_shard_in(plan, tt_plan_split(plan, key), key);
}

// The first of the keys of part k of n: ceil(k * 2^32 / n) in the upper half.
static uint64_t part_begins(uint64_t k, uint64_t n) {
  return (((k << 32) + n - 1) / n) << 32;
}

void tt_plan_keys(const tt_shard_plan *plan, uint32_t shard, uint64_t *first, uint64_t *last) {
  tt_split split = tt_plan_split_of(plan, shard);
  uint64_t n = plan->shards[split], k = shard - (split == TT_VALID ? plan->shards[TT_TRAIN] : 0);
  *first = part_begins(k, n);
  *last = k + 1 < n ? part_begins(k + 1, n) - 1 : UINT64_MAX;
}
