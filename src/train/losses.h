// Losses of molecules, and their means over a global batch in an order that no layout changes.
#ifndef TT_TRAIN_LOSSES_H
#define TT_TRAIN_LOSSES_H

#include "batch/assemble.h"
#include "config/config.h"

// One molecule's terms: sums over its masked atoms, its position and distance loss.
typedef struct {
  double token, token_squares, position, distance;
  int32_t batch_index, masked;
} tt_molecule_losses;

// Means over what has been added, with standard errors of the means.
typedef struct {
  double loss, token, position, distance; // loss: the weighted sum
  double loss_se, token_se, position_se, distance_se;
  int64_t molecules, masked;
} tt_losses;

// Running sums; add in batch order.
typedef struct {
  double token, token_squares, position, position_squares, distance, distance_squares, both_squares, both;
  int64_t molecules, masked;
} tt_loss_sums;

void tt_loss_sums_add(tt_loss_sums *sums, const tt_molecule_losses *losses, const tt_train_config *config);

// The mean token loss is over masked atoms (0 when there is none); the others are over molecules. Standard
// errors: the spread of atoms or molecules over the square root of their number; position and distance are
// taken together in the total's, since they go together.
tt_losses tt_loss_means(const tt_loss_sums *sums, const tt_train_config *config);

#endif
