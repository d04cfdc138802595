// A training run in the making, shared by the files that make it: run_start.c, run_loop.c,
// run_batches.c, run_stop.c, run_print.c, run.c.
#ifndef TT_TRAIN_RUN_STATE_H
#define TT_TRAIN_RUN_STATE_H

#include <limits.h>

#include "train/run.h"
#include "train/run_checkpoints.h"
#include "train/runlog.h"
#include "train/spikes.h"
#include "train/stopping.h"
#include "train/trainer.h"

typedef struct {
  const tt_comm *comm;
  const tt_config *config;
  const tt_run_request *request;
  tt_store *store;
  tt_loader *loader;
  tt_validation_set *valid;
  tt_trainer trainer;
  tt_losses baseline, last; // of the validation set
  char *config_text;
  tt_runlog *log; // rank 0 only
  int lock;       // the open run folder, rank 0 only; -1 before
  bool noted;     // in starts.jsonl; rank 0 only
  tt_run_checkpoints checkpoints;
  tt_spikes spikes; // rank 0 only
  tt_stopping stopping;
  int64_t first_step;      // updates that were done before this start
  bool validation_missing; // the one that is due there: a stop has cut it short, or it is the first
  double rate_since;
  uint64_t rate_samples;
  double rate_waited; // for molecules, seconds since then
  double data_s;      // the same since the last record
  int64_t unseen;     // number of the first batch that was neither used nor left out
} tt_run_state;

static inline bool tt_run_leader(const tt_run_state *r) {
  return r->comm->rank == 0;
}

// run_start.c; all collective.

// The checkpoint to go on from, or "" for a fresh start. Rank 0 decides, all are told.
tt_status tt_run_choose_start(tt_run_state *r, char checkpoint[PATH_MAX]);
// The store, and the batches that come out of it.
tt_status tt_run_open_data(tt_run_state *r);
// Weights and state to start with, and the order of the data that belongs to them. *checkpoint becomes the
// one before it, if it is broken.
tt_status tt_run_load(tt_run_state *r, char checkpoint[PATH_MAX]);
// Refuses what has failed from there before.
tt_status tt_run_check_failures(const tt_run_state *r);
// The folder, the log, and room for checkpoints.
tt_status tt_run_begin(tt_run_state *r, const char *checkpoint);

// run_loop.c; collective.

// Whether a validation is due after the update that the run goes on from and not in its log.
tt_status tt_run_find_missing_validation(tt_run_state *r);
// Updates, validation, checkpoints and records until the last step.
tt_status tt_run_loop(tt_run_state *r);

// run_stop.c; collective, when the run was asked to stop: saves what is not saved yet and says so.
// TT_STOPPED, or what went wrong.
tt_status tt_run_stop(tt_run_state *r);

// Store digest and configuration of this run, in the state. Rank by rank, but all agree. run_start.c
tt_status tt_run_own_state(tt_run_state *r);

// run_batches.c; all collective.

// After tt_run_load: which batches the loader leaves out.
tt_status tt_run_leave_out(tt_run_state *r);
// With each batch of the loader: what it left out before this one goes into state and log.
tt_status tt_run_note_batch(tt_run_state *r, const tt_global_batch *batch);
// An update that failed with TT_ERR_NUMERIC: as train.non_finite says, TT_OK when the run goes on.
tt_status tt_run_non_finite(tt_run_state *r, const tt_global_batch *batch, const tt_update *update);

// run_print.c; for rank 0.
void tt_run_print_plan(const tt_run_state *r);
void tt_run_print_progress(const tt_run_state *r, const tt_update *u, double rate, double waiting);
void tt_run_print_summary(const tt_run_state *r);

#endif
