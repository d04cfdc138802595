// The checkpoints of a run: begun when they are due, finished at a later step when they are written, logged;
// and found again when the run is resumed.
#ifndef TT_TRAIN_RUN_CHECKPOINTS_H
#define TT_TRAIN_RUN_CHECKPOINTS_H

#include "train/runlog.h"
#include "train/saver.h"
#include "train/trainer.h"

typedef struct {
  const tt_trainer *trainer;
  const char *folder; // RUN
  tt_runlog *log;     // rank 0 only
  tt_saver *saver;
  int64_t saved;  // the newest step that needs no saving: it has a checkpoint, or is the start
  double seconds; // of the longest save so far, without what training did meanwhile; 0: none yet
} tt_run_checkpoints;

// Collective. Takes no memory for the trainer's state yet.
tt_status tt_run_checkpoints_open(tt_run_checkpoints *c, const tt_trainer *trainer, const char *folder,
                                  tt_runlog *log);

// Not collective: a save that is not finished is given up. Zeroes are fine.
void tt_run_checkpoints_close(tt_run_checkpoints *c);

// Collective, between two steps: waits for the save before, if there is one, and begins to save the state.
tt_status tt_run_checkpoints_save(tt_run_checkpoints *c);

// Collective, between two steps: a save that all ranks have written is given its name and logged, and old
// checkpoints are removed. With `wait` it is waited for.
tt_status tt_run_checkpoints_progress(tt_run_checkpoints *c, bool wait);

// Collective. Loads the newest checkpoint that is whole; *path tells which. Each broken one on the way is
// reported and, unless it is a dry run, set aside (NAME.broken), so that it is not tried again.
// TT_ERR_CORRUPT when all are broken. The error is printed. There must be one.
tt_status tt_run_checkpoints_load(tt_trainer *trainer, const char *folder, bool dry_run, char *path,
                                  size_t size);

#endif
