// How a run ends that was asked to stop.
#include <stdio.h>

#include "core/progress.h"
#include "train/records.h"
#include "train/run_state.h"

// The record comes before the checkpoint: a step that has one must be in the log, and not every step has a
// record of its own (train.log_every).
static tt_status save(tt_run_state *r) {
  TT_TRY(tt_run_checkpoints_progress(&r->checkpoints, true)); // one that was under way
  tt_status status = TT_OK;
  if (tt_run_leader(r)) status = tt_runlog_append(r->log, tt_record_stop(&r->trainer, r->stopping.reason));
  TT_TRY(tt_comm_agree(r->comm, status));
  if (r->checkpoints.saved == r->trainer.state.step) return TT_OK;
  TT_TRY(tt_run_checkpoints_save(&r->checkpoints));
  return tt_run_checkpoints_progress(&r->checkpoints, true);
}

tt_status tt_run_stop(tt_run_state *r) {
  int64_t step = r->trainer.state.step;
  bool started = r->checkpoints.saver != NULL; // before, the step is not known
  bool news = started && step > r->first_step; // else nothing was done that could be saved
  if (news) TT_TRY(save(r));
  if (tt_run_leader(r)) {
    tt_progress_clear();
    if (news)
      fprintf(stderr, "twotrack: stopped (%s) after update %lld of %lld, which is saved", r->stopping.reason,
              (long long)step, (long long)r->config->train.steps);
    else
      fprintf(stderr, "twotrack: stopped (%s) before an update was done, nothing was to be saved",
              r->stopping.reason);
    fprintf(stderr, "; the same command with --resume goes on\n");
  }
  return TT_STOPPED;
}
