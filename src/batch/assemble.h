// From the store to the global batch of an update, over all ranks.
//
// Every rank knows the whole batch's sizes and how it is dealt into leaves; it has the samples of its own
// leaves only. A rank reads the chunks of its lanes (lane % size == rank); records dealt to other ranks'
// leaves are exchanged.
//
// The collective functions below agree on failures (tt_comm_agree): every rank returns the same status and
// the message is printed already.
#ifndef TT_BATCH_ASSEMBLE_H
#define TT_BATCH_ASSEMBLE_H

#include "batch/batch.h"
#include "comm/comm.h"
#include "core/number_set.h"
#include "store/lanes.h"
#include "store/store.h"

// A chunk that could not be read and was left out (data.bad_chunks = "skip").
typedef struct {
  tt_lane_cut cut;  // where (tt_lane_cut_records tells the chunk, and how many records are left out)
  char reason[496]; // the error, one line: names file and chunk
} tt_skip;

// A global batch. Arrays of `count` entries are in batch order and the same on every rank.
typedef struct {
  int count, leaves;
  int first_leaf, own_leaves; // this rank's aligned block of leaves
  int32_t *atoms, *leaf;
  int64_t number;   // of the batch in the run, from 0: the update's, unless batches were left out before it
  uint64_t *sample; // number of the sample in the run (validation: position in the set)
  uint64_t *record, *epoch;
  int longest;                      // atoms of the largest molecule
  int64_t masked;                   // masked atoms, all molecules
  int64_t total_atoms, total_pairs; // sum N, sum (N+1)^2
  tt_sample **samples;              // (count): made ready for molecules of own leaves, NULL for the others
  int64_t sent_bytes;               // sent to other ranks to make it (0 where traffic is not counted)
  double data_s;                    // training: seconds waited for molecules in tt_loader_batch, slowest rank
  int skipped;                      // chunks left out from this batch on, by any rank,
  const tt_skip *skips;             // and which: (skipped)
  void *private_;
} tt_global_batch;

// What a molecule of so many atoms costs in an update, in any unit: what batches are dealt by. The model
// knows, which lies above this room.
typedef int64_t (*tt_molecule_cost)(const tt_config *config, int atoms);

typedef struct tt_loader tt_loader;

// Collective. Opens no store of its own: `store` must stay open. `cuts`: the chunks that a resumed run has
// left out so far (copied); NULL: none. Errors: lanes that do not fit, ranks that do not divide
// micro_batches, fewer molecules than a batch.
tt_status tt_loader_create(tt_loader **loader, const tt_comm *comm, tt_store *store, const tt_config *config,
                           tt_molecule_cost cost, const tt_lane_cuts *cuts);
void tt_loader_free(tt_loader *loader);

// From now on these batches are left out (copied; none at first): update u takes batch
// tt_number_set_missing(batches, u). They are read all the same, so that the order of the data after them
// does not depend on who left them out, or when. What was made ahead stays good when the batch returned last
// is added. The same on all ranks; not collective. TT_ERR_MEMORY.
tt_status tt_loader_leave_out(tt_loader *loader, const tt_number_set *batches);

// Collective: the batch of update `step` (samples number * batch_size ...). Valid until the next call. Any
// step may be asked for (resume); consecutive ones are fast. All ranks return the same status.
tt_status tt_loader_batch(tt_loader *loader, int64_t step, const tt_global_batch **batch);

// Those that it was created with and those of all batches returned so far: what a checkpoint holds after the
// update. The same on every rank. Valid until the next tt_loader_batch.
const tt_lane_cuts *tt_loader_cuts(const tt_loader *loader);

typedef struct tt_validation_set tt_validation_set;

// Collective. The first validation.molecules records (0: all) of the validation split in chunk order, with
// masks and noise from (validation.seed, epoch 0, record), kept in memory: cut into global batches of
// train.batch_size (the last may be smaller), each dealt like a training batch, so that pieces do not depend
// on ranks; leaves stay empty only where the last batch has fewer molecules than leaves. TT_ERR_DATA when the
// split is empty.
tt_status tt_validation_create(tt_validation_set **set, const tt_comm *comm, tt_store *store,
                               const tt_config *config, tt_molecule_cost cost);
void tt_validation_free(tt_validation_set *set);
int tt_validation_batches(const tt_validation_set *set);
const tt_global_batch *tt_validation_batch(const tt_validation_set *set, int index);

#endif
