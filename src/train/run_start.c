// How a run starts or goes on: its folder, its data, its state.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "model/flops.h"
#include "train/failures.h"
#include "train/records.h"
#include "train/run_folder.h"
#include "train/run_state.h"
#include "train/starts.h"

static tt_status start_folder(tt_run_state *r) {
  const char *folder = r->request->folder;
  TT_TRY(tt_run_folder_start(folder, r->config_text, r->request->resume, &r->lock));
  if (!r->noted) TT_TRY(tt_starts_note(folder, 0, r->comm->size));
  return tt_runlog_create(&r->log, folder, tt_record_run(&r->trainer, r->config_text, r->store));
}

// Refuses what a batch system would go on starting for ever. A start is noted before all that may keep it
// from its first update; a first one by hand, which has no folder yet, when that is made.
static tt_status check_starts(tt_run_state *r, int64_t step) {
  const char *folder = r->request->folder;
  TT_TRY(tt_starts_check(folder, step));
  if (r->request->dry_run || (!tt_starts_automatic() && !tt_file_exists(folder))) return TT_OK;
  TT_TRY(tt_make_directories(folder));
  TT_TRY(tt_run_folder_lock(folder, &r->lock));
  r->noted = true;
  return tt_starts_note(folder, step, r->comm->size);
}

tt_status tt_run_choose_start(tt_run_state *r, char checkpoint[PATH_MAX]) {
  tt_status status = TT_OK;
  const char *folder = r->request->folder;
  checkpoint[0] = 0;
  if (tt_run_leader(r)) {
    if (!*folder)
      status = TT_OK; // a dry run may leave it out
    else if (r->request->resume) {
      int64_t step;
      // locked before a broken checkpoint may be renamed
      if (!r->request->dry_run && tt_file_exists(folder)) status = tt_run_folder_lock(folder, &r->lock);
      if (status == TT_OK) status = tt_checkpoint_newest(folder, INT64_MAX, &step, checkpoint, PATH_MAX);
      if (status == TT_OK && step < r->config->train.steps) status = check_starts(r, step > 0 ? step : 0);
    } else
      status = tt_run_folder_check_empty(folder);
  }
  TT_TRY(tt_comm_agree(r->comm, status));
  return tt_comm_broadcast(r->comm, checkpoint, PATH_MAX, 0);
}

static tt_status load_state(tt_run_state *r, char checkpoint[PATH_MAX]) {
  tt_status status = TT_OK;
  if (!*checkpoint) {
    if (r->request->init_from) status = tt_trainer_load_weights(&r->trainer, r->request->init_from);
    return tt_comm_agree(r->comm, tt_run_leader(r) ? status : TT_OK); // all ranks have the same error
  }
  TT_TRY(tt_run_checkpoints_load(&r->trainer, r->request->folder, r->request->dry_run, checkpoint, PATH_MAX));
  if (tt_run_leader(r))
    status =
        tt_run_folder_check_same(r->request->folder, checkpoint, &r->trainer.state, r->config_text, r->store);
  return tt_comm_agree(r->comm, status);
}

// A run that has left out chunks goes on in the order that this gave.
static tt_status restore_order(tt_run_state *r) {
  const tt_lane_cuts *skipped = &r->trainer.state.skipped;
  if (skipped->count == 0) return TT_OK;
  tt_loader_free(r->loader);
  return tt_loader_create(&r->loader, r->comm, r->store, r->config, tt_flops_cost, skipped);
}

tt_status tt_run_load(tt_run_state *r, char checkpoint[PATH_MAX]) {
  TT_TRY(load_state(r, checkpoint));
  TT_TRY(restore_order(r));
  return tt_run_leave_out(r);
}

tt_status tt_run_check_failures(const tt_run_state *r) {
  bool look = tt_run_leader(r) && *r->request->folder;
  return tt_comm_agree(r->comm, look ? tt_failures_check(r->request->folder, r->trainer.state.step) : TT_OK);
}

static tt_status begin_spikes(tt_run_state *r, const char *checkpoint) {
  const tt_train_config *k = &r->config->train;
  TT_TRY(tt_spikes_init(&r->spikes, k->spike_window, k->spike_z));
  return *checkpoint ? tt_spikes_refill(&r->spikes, r->request->folder, r->trainer.state.step) : TT_OK;
}

tt_status tt_run_own_state(tt_run_state *r) {
  snprintf(r->trainer.state.store_digest, sizeof r->trainer.state.store_digest, "%s",
           tt_store_digest(r->store));
  free(r->trainer.state.config);
  r->trainer.state.config = strdup(r->config_text);
  return tt_comm_agree(r->comm, r->trainer.state.config ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory"));
}

tt_status tt_run_begin(tt_run_state *r, const char *checkpoint) {
  tt_status status = TT_OK;
  if (!*checkpoint) {
    if (tt_run_leader(r)) status = start_folder(r);
  } else {
    if (tt_run_leader(r)) status = tt_run_folder_tidy(r->request->folder, r->config->train.checkpoint_keep);
    if (tt_run_leader(r) && status == TT_OK)
      status = tt_runlog_resume(&r->log, r->request->folder, r->trainer.state.step);
    if (tt_run_leader(r) && status == TT_OK && r->trainer.state.step < r->config->train.steps)
      status = tt_runlog_append(r->log, tt_record_resume(&r->trainer));
  }
  if (tt_run_leader(r) && status == TT_OK) status = begin_spikes(r, checkpoint);
  TT_TRY(tt_comm_agree(r->comm, status));
  TT_TRY(tt_run_checkpoints_open(&r->checkpoints, &r->trainer, r->request->folder, r->log));
  return tt_run_own_state(r);
}

tt_status tt_run_open_data(tt_run_state *r) {
  tt_status status = tt_store_open(&r->store, r->config->data.store);
  TT_TRY(tt_comm_agree(r->comm, status));
  TT_TRY(tt_loader_create(&r->loader, r->comm, r->store, r->config, tt_flops_cost, NULL));
  return tt_validation_create(&r->valid, r->comm, r->store, r->config, tt_flops_cost);
}
