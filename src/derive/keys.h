// The molecules of one or several stores in the order of their keys, read from the arrays of keys and
// scaffolds alone: 16 bytes of a molecule's several hundred.
//
// A split of a store as built is a run: its keys ascend from shard to shard and within a shard. The runs are
// merged while they are read. Memory on a rank: 4 KiB a run and 20 bytes a shard, whatever the number of
// molecules.
#ifndef TT_DERIVE_KEYS_H
#define TT_DERIVE_KEYS_H

#include <stdint.h>

#include "comm/comm.h"
#include "core/status.h"
#include "store/store.h"

// One split of one store.
typedef struct {
  tt_store *store;
  tt_split split;
  uint32_t *shards;       // (count) numbers of those that are not empty
  uint64_t *first, *last; // (count) their smallest and greatest keys
  uint32_t count;
  uint64_t records;
} tt_key_run;

typedef struct {
  tt_key_run *runs; // those of the training splits and of validation, store by store: 2 * stores
  uint32_t count;
} tt_key_runs;

// Collective. Looks at both ends of every shard, each rank at its share of them. TT_ERR_DATA: a store whose
// shards are not in the order of the keys, by name. Else tt_store_read_chunk's errors.
tt_status tt_key_runs_open(const tt_comm *comm, tt_store *const *stores, uint32_t count, tt_key_runs *runs);
void tt_key_runs_free(tt_key_runs *runs); // fine on zeroes

typedef struct {
  uint64_t key, scaffold;
  uint64_t row;        // in the shard
  uint32_t run, shard; // shard: number in its store
} tt_key_place;

typedef struct tt_key_walk tt_key_walk;

// Walks over keys first .. last, inclusive. Several may be under way. TT_ERR_MEMORY, or a read's error.
tt_status tt_key_walk_begin(tt_key_walk **walk, const tt_key_runs *runs, uint64_t first, uint64_t last);

// The molecules of the next key: *same, *count of them, by run, then place; valid until the next call. *count
// is 0 at the end. TT_ERR_DATA: keys out of order; errors name file and record.
tt_status tt_key_walk_next(tt_key_walk *walk, const tt_key_place **same, uint32_t *count);

uint64_t tt_key_walk_seen(const tt_key_walk *walk); // molecules so far
void tt_key_walk_end(tt_key_walk *walk);            // fine on NULL

// The part of all keys that rank `rank` of `ranks` walks when they share them.
void tt_key_share(int rank, int ranks, uint64_t *first, uint64_t *last);

// Collective, when the ranks' walks over their shares are done: that they have seen every molecule, which
// fails when keys are out of order where no walk could tell. TT_ERR_DATA names the store.
tt_status tt_key_walk_check(const tt_comm *comm, const tt_key_walk *walk);

#endif
