// How far a run of a sweep is, as its folder tells.
#ifndef TT_SWEEP_STATUS_H
#define TT_SWEEP_STATUS_H

#include "sweep/expand.h"
#include "train/run_folder.h"

typedef enum {
  TT_SWEEP_NOT_STARTED, // no log
  TT_SWEEP_PARTLY,      // logged up to some update
  TT_SWEEP_DONE,    // last update, last validation and last checkpoint are logged: training would do nothing
  TT_SWEEP_FAILED,  // as partly, and RUN/failures.jsonl tells of a failure since then
  TT_SWEEP_OTHER,   // what is there is no run of this configuration, or of another store
  TT_SWEEP_RUNNING, // some process trains it now
  TT_SWEEP_STATES
} tt_sweep_state;

typedef struct {
  tt_sweep_state state;
  int64_t step;                 // last logged update; 0: none
  int64_t saved;                // update of the newest checkpoint, from which training would go on; 0: none
  double loss, loss_se;         // of the last validation; NaN: none
  double samples_per_s;         // molecules a second, median of what the end of the log tells; NaN: nothing
  char why[500];                // failed: the message; other: what differs, in words; else ""
  tt_config_difference differs; // other: the first key that does, there and here; "" where it is not a key
} tt_sweep_status;

// `digest`: of the store the runs are to be trained on (tt_store_digest); NULL: not compared. Reads the first
// line and the end of the log only, so that long runs cost no more than short ones. Fails for nothing but
// memory and paths that are too long: what cannot be read is TT_SWEEP_OTHER.
tt_status tt_sweep_status_read(tt_sweep_status *status, const tt_sweep_runs *runs, const tt_sweep_run *run,
                               const char *digest);

// Whether it waits to be trained: not started, partly, failed.
bool tt_sweep_is_left(const tt_sweep_status *status);

// "not started", "partly done", ... for people; "not_started", ... as a value in JSON.
const char *tt_sweep_state_words(tt_sweep_state state);
const char *tt_sweep_state_name(tt_sweep_state state);

#endif
