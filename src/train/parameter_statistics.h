// How large each tensor's weights and gradient are, and what an update changes of it.
#ifndef TT_TRAIN_PARAMETER_STATISTICS_H
#define TT_TRAIN_PARAMETER_STATISTICS_H

#include "train/magnitude.h"
#include "train/trainer.h"

typedef struct {
  char name[80];         // upstream's
  tt_magnitude weight;   // before the update
  tt_magnitude gradient; // of the batch's loss, before clipping
  tt_magnitude update;   // weights after it minus weights before it; zeroes after an update that failed
} tt_tensor_statistics;

typedef struct {
  tt_tensor_statistics *list; // in the order of the parameter table
  int count;
  float *before; // private: the rank's own weights
} tt_parameter_statistics;

// Before an update: keeps a copy of the weights that this rank owns. Not collective. TT_ERR_MEMORY.
tt_status tt_parameters_look(tt_parameter_statistics *statistics, const tt_trainer *trainer);

// Collective, after it, also when it failed with TT_ERR_NUMERIC: the statistics of whole tensors, on every
// rank. Their last bits depend on the layout. TT_ERR_MEMORY.
tt_status tt_parameters_compare(tt_parameter_statistics *statistics, const tt_trainer *trainer);

void tt_parameters_statistics_free(tt_parameter_statistics *statistics);

#endif
