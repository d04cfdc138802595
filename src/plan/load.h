// What a layout gives each rank to do: batches dealt to leaves and leaves to ranks, on paper, as training
// does it (batch/batch.h).
#ifndef TT_PLAN_LOAD_H
#define TT_PLAN_LOAD_H

#include "model/model.h"
#include "plan/molecules.h"

// World rank = data place * tensor + tensor place (comm/mesh.h).
typedef struct {
  int data, tensor;
  int leaves; // of the gradient tree; data divides it
} tt_layout;

// Sums over the plan's batches.
typedef struct {
  int64_t molecules, tokens, pairs;   // own
  int64_t group_tokens, group_pairs;  // of the tensor group: the same when it is one rank
  int64_t records_read, record_bytes; // read from the store; bytes of them that go to other ranks
} tt_rank_load;

typedef struct {
  int ranks;
  tt_rank_load *rank;     // (ranks)
  tt_piece_sizes largest; // of any piece, each size by itself
  int64_t pieces;         // that the rank with most runs, in all batches together
  double slowest;         // operations of an update that all wait for, mean over the batches: those of
                          // the slowest rank, in groups piece by piece
  double imbalance;       // the same over the mean of all ranks, mean over the batches
} tt_load;

// A batch must have leaves * tensor molecules at least. TT_ERR_MEMORY.
tt_status tt_load_make(tt_load *load, const tt_config *config, const tt_layout *layout,
                       const tt_molecules *molecules);
void tt_load_free(tt_load *load);

#endif
