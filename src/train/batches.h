// Which batch an update uses: update u (from 0) the u-th batch that is not left out. What is left out follows
// from the configuration (train.skip_batches) and the state of the run, which checkpoints hold.
#ifndef TT_TRAIN_BATCHES_H
#define TT_TRAIN_BATCHES_H

#include <jansson.h>

#include "config/config.h"
#include "train/checkpoint.h"

// All batches to leave out, for tt_loader_leave_out and tt_number_set_missing: those of the state and, of the
// configuration's, those that come after the last one that was used. *ignored: how many of the
// configuration's were used already, so that they no longer can be left out. Start from a zeroed *list.
// TT_ERR_MEMORY.
tt_status tt_batches_left_out(const tt_train_config *config, const tt_progress_state *state,
                              tt_number_set *list, size_t *ignored);

// Adds those that the records of a run log (an array) tell of, up to the update `step`: what the run has left
// out by then, whatever checkpoint it started from. TT_ERR_FORMAT for records that cannot be, TT_ERR_MEMORY.
tt_status tt_batches_of_log(const json_t *records, int64_t step, tt_number_set *list);

// How many the run has left out by itself: of the state's, those that the configuration does not name.
tt_status tt_batches_by_itself(const tt_train_config *config, const tt_progress_state *state, size_t *count);

#endif
