// Into how many shards a store is cut, and which one a molecule belongs to.
#ifndef TT_STORE_PLAN_H
#define TT_STORE_PLAN_H

#include <stdint.h>

#include "store/store.h"

enum { TT_PLAN_TRAIN_SHARDS = 90000, TT_PLAN_VALID_SHARDS = 9000 }; // at most; file names have five digits

// Shards are numbered with those of the training split first. Those of one split cut the range of keys into
// equal parts, in ascending order.
typedef struct {
  uint32_t shards[2];   // of each tt_split; the training split has at least one
  uint64_t valid_below; // of 2^53: share of the molecules that are validation by their key
} tt_shard_plan;

// valid_fraction: 0 .. 0.5 of the molecules. shards: of the training split; 0: from the number of records,
// small shards for small stores, so that ranks can share the work, and few enough files for large ones
// (65,536 records each). Validation gets as many as its share asks for.
tt_shard_plan tt_shard_plan_make(uint64_t records, double valid_fraction, uint32_t shards);

// The keyed hash of a canonical SMILES, which decides everything: split, shard, place in it, conformers.
uint64_t tt_plan_key(const char *smiles, uint64_t seed);

// Needs valid_below only, which follows from valid_fraction alone.
tt_split tt_plan_split(const tt_shard_plan *plan, uint64_t key);

// The number of the shard of a molecule whose split is known (from tt_plan_split, or however the caller
// decides it); plan->shards[split] > 0.
uint32_t tt_plan_shard_in(const tt_shard_plan *plan, tt_split split, uint64_t key);
uint32_t tt_plan_shard(const tt_shard_plan *plan, uint64_t key);

static inline uint32_t tt_plan_shards(const tt_shard_plan *plan) {
  return plan->shards[TT_TRAIN] + plan->shards[TT_VALID];
}

static inline tt_split tt_plan_split_of(const tt_shard_plan *plan, uint32_t shard) {
  return shard < plan->shards[TT_TRAIN] ? TT_TRAIN : TT_VALID;
}

// The keys of a shard: those from *first to *last, inclusive, that are of its split.
void tt_plan_keys(const tt_shard_plan *plan, uint32_t shard, uint64_t *first, uint64_t *last);

#endif
