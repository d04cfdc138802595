// Scratch of one pass over a global batch: made once, grown when a batch is larger than all before.
#ifndef TT_TRAIN_WORK_H
#define TT_TRAIN_WORK_H

#include <stdbool.h>

#include "batch/assemble.h"
#include "comm/mesh.h"
#include "model/model.h"
#include "train/leaf.h"
#include "train/losses.h"

typedef struct {
  tt_leaf leaf;   // in hand
  int32_t *index; // 0, 1, ...: places in the batch
  // losses of the pieces so far, of masked atoms and of molecules, each piece's behind those of the piece
  // before: in the backend's memory, and where the host reads them
  tt_piece_losses made, read;
  int32_t *owner;                         // of each masked atom, its molecule's entry in `own`
  tt_molecule_losses *own, *all, *sorted; // of own molecules; of all, in rank order; in batch order
  int64_t *counts;                        // (ranks of the world) molecules of each
  float *still;                           // (atoms and virtual nodes, 3) of a model that moves nothing: zeros
  int owned;                              // entries of `own` so far
  int64_t masked;                         // masked atoms so far
  bool last_piece;                        // the piece in hand is the last of its leaf
  size_t molecules_, atoms_;              // private: room
  const tt_ops *ops_;
} tt_work;

// Room for batch `b`, and what depends on the batch only: how its leaves are dealt within groups, counts,
// index; owned and masked are 0 again. Zero *work before the first call. TT_ERR_MEMORY.
tt_status tt_work_begin(tt_work *work, const tt_ops *ops, const tt_mesh *mesh, const tt_global_batch *b);
// A piece's losses will be written behind those so far (tt_work_losses): whose each is.
void tt_work_note(tt_work *work, const tt_batch *piece);
// Where the next piece's losses go: before tt_work_note.
tt_piece_losses tt_work_losses(const tt_work *work);
// Waits for all that have been noted, and makes `own` of them.
void tt_work_read_losses(tt_work *work);
// Forgets the pieces so far.
void tt_work_again(tt_work *work);
void tt_work_free(tt_work *work);

#endif
