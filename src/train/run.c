#include "train/run.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/position.h"
#include "core/progress.h"
#include "train/failures.h"
#include "train/run_state.h"

static tt_status run_all(tt_run_state *r) {
  char checkpoint[PATH_MAX];
  TT_TRY(tt_comm_agree(r->comm, tt_config_print(r->config, &r->config_text)));
  tt_position_phase("start: choosing the checkpoint", 0);
  TT_TRY(tt_run_choose_start(r, checkpoint));
  tt_position_phase("start: opening the store", 0);
  TT_TRY(tt_run_open_data(r));
  tt_position_phase("start: the model", 0);
  TT_TRY(tt_trainer_plan(&r->trainer, r->comm, r->config));
  if (tt_run_leader(r)) tt_run_print_plan(r); // before memory is taken: it says how much
  if (r->request->dry_run && !*checkpoint && !r->request->init_from) return tt_run_check_failures(r);
  TT_TRY(tt_trainer_init(&r->trainer, r->comm, r->config)); // takes a while when the model is large
  tt_position_phase("start: loading", 0);
  TT_TRY(tt_run_load(r, checkpoint));
  TT_TRY(tt_run_check_failures(r));
  if (r->request->dry_run) return TT_OK;
  tt_position_phase("start: the run's folder", r->trainer.state.step);
  TT_TRY(tt_run_begin(r, checkpoint));
  tt_failures_watch(r->request->folder, r->comm->rank, &r->trainer.state.step);
  tt_position_phase("start: baseline", r->trainer.state.step);
  TT_TRY(tt_trainer_baseline(&r->trainer, r->valid, &r->baseline));
  if (tt_run_leader(r) && *checkpoint) printf("resuming   from %s\n", checkpoint);
  if (tt_run_leader(r)) fflush(stdout);
  bool done = r->trainer.state.step >= r->config->train.steps;
  tt_status status = done ? tt_trainer_evaluate(&r->trainer, r->valid, &r->last) : tt_run_loop(r);
  if (status == TT_ERR_NUMERIC) // as next_batch
    (void)tt_run_checkpoints_progress(&r->checkpoints, true);
  TT_TRY(status);
  if (tt_run_leader(r)) tt_run_print_summary(r);
  return TT_OK;
}

tt_status tt_run(const tt_comm *comm, const tt_config *config, const tt_run_request *request) {
  tt_run_state r = {.comm = comm, .config = config, .request = request, .lock = -1};
  tt_status status = run_all(&r);
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
