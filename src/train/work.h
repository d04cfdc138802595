// Scratch of one pass over a global batch: made once, grown when a batch is larger than all before.
#ifndef TT_TRAIN_WORK_H
#define TT_TRAIN_WORK_H

#include <stdbool.h>

#include "batch/assemble.h"
#include "comm/mesh.h"
#include "train/leaf.h"
#include "train/losses.h"

typedef struct {
  tt_leaf leaf;                           // in hand
  int32_t *index;                         // 0, 1, ...: places in the batch
  double *token, *position, *distance;    // a piece's losses: of masked atoms, of molecules
  tt_molecule_losses *own, *all, *sorted; // of own molecules; of all, in rank order; in batch order
  int64_t *counts;                        // (ranks of the world) molecules of each
  float *still;                           // (atoms and virtual nodes, 3) of a model that moves nothing: zeros
  int owned;                              // entries of `own` so far
  bool last_piece;                        // the piece in hand is the last of its leaf
  size_t molecules_, atoms_;              // private: room
} tt_work;

// Room for batch `b`, and what depends on the batch only: how its leaves are dealt within groups, counts,
// index; owned is 0 again. Zero *work before the first call. TT_ERR_MEMORY.
tt_status tt_work_begin(tt_work *work, const tt_mesh *mesh, const tt_global_batch *b);
void tt_work_free(tt_work *work);

#endif
