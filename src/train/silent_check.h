// Silent errors: a processor or memory that computes something else now and then, and tells nobody. Every
// train.silent_check_every updates each rank runs its first leaf twice. The kernels are deterministic, so
// losses, gradients and all activations on the way must be the same bits; the first that is not says where it
// happened. It finds what does not happen the same way twice, on the leaves that it looks at.
#ifndef TT_TRAIN_SILENT_CHECK_H
#define TT_TRAIN_SILENT_CHECK_H

#include "core/element_digest.h"
#include "model/model.h"
#include "train/work.h"

// What one run of the leaf made, as digests; taken in the order in which it was made.
typedef struct {
  char name[52]; // of an activation, or of its gradient
  bool gradient;
  tt_element_digest digest;
} tt_silent_step;

typedef struct {
  tt_silent_step *steps;
  int count, expected; // steps of this run; of the first one
  size_t room_;
  bool again;                  // the second run: steps are compared with the first one's
  int differs;                 // the first step that differs; -1: none so far
  tt_status status;            // of memory
  tt_element_digest *gradient; // (tensors) of the first run
  tt_molecule_losses *losses;  // (owned) of the first run
  size_t tensors_room_, losses_room_;
  int owned;
  // of the run in hand
  tt_model *model;
  const tt_work *work;
  const tt_batch *own, *all; // its packed piece
} tt_silent_check;

// Around the first run of the leaf (again = false), then around the second one. `own` and `all`: where the
// trainer packs pieces, `work`: its scratch; `gradient`: what the run made, of all parameters.
void tt_silent_begin(tt_silent_check *check, bool again, tt_model *model, const tt_batch *own,
                     const tt_batch *all, const tt_work *work);
// After the first run: keeps what it made. TT_ERR_MEMORY.
tt_status tt_silent_keep(tt_silent_check *check, const tt_ops *ops, const float *gradient);
// After the second one: TT_ERR_MACHINE when it made something else. `step`, `leaf`: for the message, which
// names this machine, and the first activation, gradient or loss that differs.
tt_status tt_silent_compare(tt_silent_check *check, const tt_ops *ops, const float *gradient, int64_t step,
                            int leaf);

void tt_silent_free(tt_silent_check *check);

#endif
