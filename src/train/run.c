#include "train/run.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/position.h"
#include "core/progress.h"
#include "train/failures.h"
#include "train/run_state.h"

// The next phase of the start, unless the run is to stop.
static tt_status enter(tt_run_state *r, const char *phase) {
  tt_position_phase(phase, r->trainer.state.step);
  return tt_stopping_look(&r->stopping);
}

static tt_status run_all(tt_run_state *r) {
  char checkpoint[PATH_MAX];
  TT_TRY(tt_comm_agree(r->comm, tt_config_print(r->config, &r->config_text)));
  // A stop is heeded only after this: a start that is not noted would not count against endless restarts.
  tt_position_phase("start: choosing the checkpoint", 0);
  TT_TRY(tt_run_choose_start(r, checkpoint));
  TT_TRY(enter(r, "start: opening the store"));
  TT_TRY(tt_run_open_data(r));
  TT_TRY(enter(r, "start: the model"));
  TT_TRY(tt_trainer_plan(&r->trainer, r->comm, r->config));
  if (tt_run_leader(r)) tt_run_print_plan(r); // before memory is taken: it says how much
  if (r->request->dry_run && !*checkpoint && !r->request->init_from) return tt_run_check_failures(r);
  TT_TRY(tt_trainer_init(&r->trainer, r->comm, r->config)); // takes a while when the model is large
  TT_TRY(enter(r, "start: loading"));
  TT_TRY(tt_run_load(r, checkpoint));
  TT_TRY(tt_run_check_failures(r));
  if (r->request->dry_run) return TT_OK;
  tt_position_phase("start: the run's folder", r->trainer.state.step);
  TT_TRY(tt_run_begin(r, checkpoint));
  r->first_step = r->trainer.state.step;
  TT_TRY(tt_run_find_missing_validation(r));
  r->trainer.stopping = &r->stopping; // from here on all that takes long heeds it
  tt_failures_watch(r->request->folder, r->comm->rank, &r->trainer.state.step);
  TT_TRY(enter(r, "start: baseline"));
  TT_TRY(tt_trainer_baseline(&r->trainer, r->valid, &r->baseline));
  if (tt_run_leader(r) && *checkpoint) printf("resuming   from %s\n", checkpoint);
  if (tt_run_leader(r)) fflush(stdout);
  bool done = r->trainer.state.step >= r->config->train.steps && !r->validation_missing;
  tt_status status = done ? tt_trainer_evaluate(&r->trainer, r->valid, &r->last) : tt_run_loop(r);
  if (status == TT_ERR_NUMERIC || status == TT_ERR_MACHINE) // as next_batch
    (void)tt_run_checkpoints_progress(&r->checkpoints, true);
  TT_TRY(status);
  if (tt_run_leader(r)) tt_run_print_summary(r);
  return TT_OK;
}

tt_status tt_run(const tt_comm *comm, const tt_config *config, const tt_run_request *request) {
  tt_run_state r = {.comm = comm,
                    .config = config,
                    .request = request,
                    .lock = -1,
                    .stopping = {.comm = comm, .end_time = request->end_time}};
  tt_status status = run_all(&r);
  if (status == TT_STOPPED) status = tt_run_stop(&r);
  tt_failures_end_watch();
  tt_progress_clear();
  tt_run_checkpoints_close(&r.checkpoints);
  tt_runlog_close(r.log);
  tt_spikes_free(&r.spikes);
  if (r.lock >= 0) close(r.lock);
  tt_validation_free(r.valid);
  tt_loader_free(r.loader);
  tt_store_close(r.store);
  tt_trainer_free(&r.trainer);
  free(r.config_text);
  return status;
}
