// A whole training run: folder, start or resume, the loop, validation, checkpoints, log.
#ifndef TT_TRAIN_RUN_H
#define TT_TRAIN_RUN_H

#include <stdbool.h>

#include "comm/comm.h"
#include "config/config.h"

typedef struct {
  const char *folder;    // RUN
  const char *init_from; // checkpoint whose weights to start from, or NULL
  bool resume;           // go on from the newest checkpoint if there is one, else start
  bool dry_run;          // check everything, print what would run, write nothing
  double end_time;       // of the job, Unix seconds: stop in time before; 0: none. Rank 0's counts
} tt_run_request;

// Collective. Runs to config->train.steps and prints, at the end, the last validation beside its baselines.
// Every failure has been reported (once, by one rank) when this returns it. TT_STOPPED: it was asked to stop,
// by a signal (core/interrupt.h, for the caller to install) or the time, what was done is saved, and rank 0
// has said so.
tt_status tt_run(const tt_comm *comm, const tt_config *config, const tt_run_request *request);

#endif
