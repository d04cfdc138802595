// The molecules of stores written anew: what merge, split and sample share.
//
// Each shard of the new store has a range of keys, like those of a store as built. The rank that makes it
// walks over the keys of that range in all inputs (store/keys.h), asks which molecules go there, and reads
// the chunks that have some. So the result is the same, byte for byte, for any number of ranks, and every
// chunk of the inputs is read about once. A rank holds one new shard (about 65,536 molecules by default, 50
// MB at NCI's sizes), a chunk and its keys of each input, and half a kilobyte a shard of the inputs (what an
// open store takes), whatever the number of molecules.
//
// A rank makes neighbouring shards, tt_rewrite_rank says which: a caller may hold what concerns their keys.
#ifndef TT_DERIVE_REWRITE_H
#define TT_DERIVE_REWRITE_H

#include <stdint.h>

#include "comm/comm.h"
#include "core/status.h"
#include "derive/keep.h"
#include "derive/keys.h"
#include "store/plan.h"
#include "store/store.h"

enum { TT_LEFT_OUT = 2 }; // beside tt_split: goes to neither

// Says where the molecules same[0 .. count-1] of one key go: to[k] is a tt_split or TT_LEFT_OUT. It is asked
// about a key several times, by ascending keys in each shard, and must always answer the same.
typedef void (*tt_rewrite_choose)(void *context, const tt_key_place *same, uint32_t count, uint8_t *to);

typedef struct {
  const tt_comm *comm;
  const tt_key_runs *runs;
  const char *folder;
  tt_store_info info;
  tt_shard_plan plan;
  const char *origin; // JSON: what DIR/origin.json is to say
  tt_rewrite_choose choose;
  void *context;
  uint64_t expected[2]; // molecules of each split
  bool exact; // each record stays one, and so many must come out; else those of one molecule become one
} tt_rewrite;

typedef struct {
  uint64_t molecules[2], conformers, bytes; // of the new store
  uint32_t shards[2];
  tt_unite_counts united;
  double seconds; // of the writing
} tt_rewrite_summary;

// As a build would plan a store of that many molecules; shards: of the training split, 0: by their number.
tt_shard_plan tt_rewrite_plan(uint64_t train, uint64_t valid, uint32_t shards);

// The rank of `ranks` that makes a shard.
int tt_rewrite_rank(const tt_shard_plan *plan, uint32_t shard, int ranks);

// Collective. Same *summary on all ranks. Errors are printed (once, tt_comm_agree), and a rank that fails
// while shards are made ends the job. What it leaves then has no manifest; the next rewrite into the folder
// clears it. TT_ERR_ARGUMENT (the folder holds a store, or an unfinished build), TT_ERR_DATA (inputs out of
// order, no molecule to train on), TT_ERR_IO, TT_ERR_CORRUPT, TT_ERR_MEMORY.
tt_status tt_rewrite_run(const tt_rewrite *rewrite, tt_rewrite_summary *summary);

// The rank's progress through the keys of its share, of `all` molecules in the inputs; rank 0 shows it.
void tt_rewrite_show(const tt_comm *comm, const char *what, double begun, uint64_t done, uint64_t all);

#endif
