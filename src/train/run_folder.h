// The folder of a run: what has to be true of it before training starts there. Called by one rank.
#ifndef TT_TRAIN_RUN_FOLDER_H
#define TT_TRAIN_RUN_FOLDER_H

#include <stdbool.h>

#include "config/config.h"
#include "store/store.h"
#include "train/checkpoint.h"

// TT_ERR_ARGUMENT unless a fresh run may start in `folder`: it is empty, or not there yet.
tt_status tt_run_folder_check_empty(const char *folder);

// Two jobs in one folder would write into the same log. *lock is the open folder (-1: not yet locked; else
// nothing is done); the lock goes with the process, however that ends. Waits some seconds for the ranks of a
// killed job. TT_ERR_IO when another job has it.
tt_status tt_run_folder_lock(const char *folder, int *lock);

// Removes what a killed job left half-written, and all checkpoints but the newest `keep` (0: all stay), for
// it may have been killed before it did so. Under the lock only, and once a checkpoint of those that stay was
// read. TT_ERR_IO.
tt_status tt_run_folder_tidy(const char *folder, int keep);

// Makes the folder, locks it and writes config.cfg. With `resume` a run may have been stopped there before
// its first checkpoint: its log is removed. TT_ERR_DATA when that log tells of a checkpoint.
tt_status tt_run_folder_start(const char *folder, const char *config_text, bool resume, int *lock);

// Whether a checkpoint, read into *then, is of the run that is to go on: TT_ERR_CONFIG when its configuration
// differs in more than what may change at a resume (the first such line is named), TT_ERR_DATA when it was
// trained on another store.
tt_status tt_run_folder_check_same(const char *folder, const char *checkpoint, const tt_progress_state *then,
                                   const char *config_text, const tt_store *store);

// Whether two resolved configurations are of different runs: they differ in more than what may change at a
// resume. The first line that does is then in *difference, as "group.key = value" ("" past the end of a
// text).
typedef struct {
  char before[300], now[300];
} tt_config_difference;
bool tt_run_folder_differs(const char *before, const char *now, tt_config_difference *difference);

#endif
