// The batches that a run leaves out: those that it is told, and those whose update is not finite
// (train.non_finite).
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/position.h"
#include "core/progress.h"
#include "core/utf8.h"
#include "model/flops.h"
#include "train/batches.h"
#include "train/replicas.h"
#include "train/run_state.h"

static tt_status log_record(tt_run_state *r, json_t *record) {
  if (tt_run_leader(r)) return tt_comm_agree(r->comm, tt_runlog_append(r->log, record));
  return tt_comm_agree(r->comm, TT_OK);
}

// The number after the last batch that was used; what is left out from there on is still ahead.
static int64_t next_number(const tt_progress_state *s) {
  return s->step ? tt_number_set_missing(&s->skipped_batches, s->step - 1) + 1 : 0;
}

static tt_status tell_loader(tt_run_state *r, size_t *ignored) {
  tt_number_set list = {0};
  tt_status status = tt_batches_left_out(&r->config->train, &r->trainer.state, &list, ignored);
  if (status == TT_OK) status = tt_loader_leave_out(r->loader, &list);
  tt_number_set_free(&list);
  return tt_comm_agree(r->comm, status);
}

tt_status tt_run_leave_out(tt_run_state *r) {
  size_t ignored;
  TT_TRY(tell_loader(r, &ignored));
  r->trainer.non_finite_quietly = r->config->train.non_finite != TT_NON_FINITE_STOP;
  r->unseen = next_number(&r->trainer.state);
  if (ignored && tt_run_leader(r))
    fprintf(stderr,
            "twotrack: warning: %zu of the batches that train.skip_batches names were used already, before "
            "batch %lld, and cannot be left out any more\n",
            ignored, (long long)r->unseen);
  return TT_OK;
}

tt_status tt_run_note_batch(tt_run_state *r, const tt_global_batch *batch) {
  int64_t first = r->unseen, count = batch->number - first;
  tt_progress_state *s = &r->trainer.state;
  r->unseen = batch->number + 1;
  if (count <= 0) return TT_OK;
  tt_status status = TT_OK;
  for (int64_t k = 0; status == TT_OK && k < count; k++)
    status = tt_number_set_add(&s->skipped_batches, first + k);
  TT_TRY(tt_comm_agree(r->comm, status));
  if (!tt_run_leader(r)) return log_record(r, NULL);
  return log_record(r, json_pack("{s:s, s:I, s:s, s:I, s:I}", "type", "skip_batch", "step",
                                 (json_int_t)s->step + 1, "policy", "list", "batch", (json_int_t)first,
                                 "batches", (json_int_t)count));
}

// ---- an update that is not finite ----

// What went wrong, for the log: null stands for what is no finite number, and the message has the numbers.
static json_t *record_of(const tt_run_state *r, const char *type, const tt_global_batch *b,
                         const tt_update *u, const char *message) {
  const tt_losses *l = &u->losses;
  return json_pack("{s:s, s:I, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "type", type, "step",
                   (json_int_t)r->trainer.state.step + 1, "policy",
                   strcmp(type, "rollback") == 0 ? type : "skip", "batch", (json_int_t)b->number, "batches",
                   (json_int_t)1, "loss", tt_runlog_number(l->loss), "loss_token", tt_runlog_number(l->token),
                   "loss_position", tt_runlog_number(l->position), "loss_distance",
                   tt_runlog_number(l->distance), "grad_norm", tt_runlog_number(u->gradient_norm), "reason",
                   tt_utf8_json(message));
}

static void warn(const tt_run_state *r, const char *message, const char *then) {
  if (!tt_run_leader(r)) return;
  tt_progress_clear();
  fprintf(stderr, "twotrack: warning: %s; %s\n", message, then);
}

static tt_status check_limit(const tt_run_state *r, const char *message) {
  size_t count;
  tt_status status = tt_batches_by_itself(&r->config->train, &r->trainer.state, &count);
  if (status == TT_OK && count >= (size_t)r->config->train.skip_limit)
    status = tt_fail(TT_ERR_NUMERIC,
                     "%s; the run has left out %zu batches by itself already, as many as train.skip_limit "
                     "allows",
                     message, count);
  return tt_comm_agree(r->comm, status);
}

static tt_status skip(tt_run_state *r, const tt_global_batch *batch, const tt_update *u,
                      const char *message) {
  size_t ignored;
  warn(r, message, "the update goes on with the next batch");
  TT_TRY(log_record(r, tt_run_leader(r) ? record_of(r, "skip_batch", batch, u, message) : NULL));
  TT_TRY(tt_comm_agree(r->comm, tt_number_set_add(&r->trainer.state.skipped_batches, batch->number)));
  return tell_loader(r, &ignored);
}

// The newest checkpoint, or what the run started from.
static tt_status load_newest(tt_run_state *r) {
  char path[PATH_MAX] = "";
  int64_t step;
  tt_status status = TT_OK;
  TT_TRY(tt_run_checkpoints_progress(&r->checkpoints, true)); // one that is being written is a good one
  if (tt_run_leader(r)) status = tt_checkpoint_newest(r->request->folder, INT64_MAX, &step, path, PATH_MAX);
  TT_TRY(tt_comm_agree(r->comm, status));
  TT_TRY(tt_comm_broadcast(r->comm, path, PATH_MAX, 0));
  if (*path)
    TT_TRY(tt_run_checkpoints_load(&r->trainer, r->request->folder, false, path, PATH_MAX));
  else {
    TT_TRY(tt_comm_agree(r->comm, tt_trainer_restart(&r->trainer)));
    status = r->request->init_from ? tt_trainer_load_weights(&r->trainer, r->request->init_from) : TT_OK;
    TT_TRY(tt_comm_agree(r->comm, tt_run_leader(r) ? status : TT_OK)); // all ranks have the same error
  }
  return tt_run_own_state(r);
}

// All that follows from where the run is.
static tt_status settle(tt_run_state *r) {
  size_t ignored;
  int64_t step = r->trainer.state.step;
  r->checkpoints.saved = step;
  if (step < r->first_step) r->first_step = step;
  r->unseen = next_number(&r->trainer.state);
  r->rate_since = tt_now(), r->rate_samples = r->trainer.state.samples, r->rate_waited = 0;
  tt_status status = TT_OK;
  if (tt_run_leader(r)) status = tt_runlog_rewind(r->log, step);
  if (tt_run_leader(r) && status == TT_OK) status = tt_spikes_refill(&r->spikes, r->request->folder, step);
  TT_TRY(tt_comm_agree(r->comm, status));
  tt_loader_free(r->loader);
  r->loader = NULL;
  TT_TRY(
      tt_loader_create(&r->loader, r->comm, r->store, r->config, tt_flops_cost, &r->trainer.state.skipped));
  TT_TRY(tell_loader(r, &ignored));
  if (r->config->train.replica_check_every == 0) return TT_OK;
  tt_trainer_settle(&r->trainer);
  return tt_replicas_check(&r->trainer.mesh, r->trainer.parameters, r->trainer.ops, r->trainer.weights, step);
}

static tt_status go_back(tt_run_state *r, const tt_number_set *left_out) {
  tt_position_phase("going back", r->trainer.state.step);
  TT_TRY(load_newest(r));
  TT_TRY(tt_comm_agree(r->comm, tt_number_set_copy(&r->trainer.state.skipped_batches, left_out)));
  return settle(r);
}

static tt_status roll_back(tt_run_state *r, const tt_global_batch *batch, const tt_update *u,
                           const char *message) {
  char then[120];
  int64_t number = batch->number; // the batch goes with the loader
  json_t *record = tt_run_leader(r) ? record_of(r, "rollback", batch, u, message) : NULL;
  tt_number_set left_out = {0}; // the checkpoint does not know what was left out after it
  tt_status status = tt_number_set_copy(&left_out, &r->trainer.state.skipped_batches);
  if (status == TT_OK) status = tt_number_set_add(&left_out, number);
  status = tt_comm_agree(r->comm, status);
  if (status == TT_OK) status = go_back(r, &left_out);
  tt_number_set_free(&left_out);
  if (status != TT_OK) return json_decref(record), status;
  snprintf(then, sizeof then, "back to update %lld, batch %lld is left out from now on",
           (long long)r->trainer.state.step, (long long)number);
  warn(r, message, then);
  if (record) json_object_set_new(record, "back_to", json_integer((json_int_t)r->trainer.state.step));
  return log_record(r, record);
}

tt_status tt_run_non_finite(tt_run_state *r, const tt_global_batch *batch, const tt_update *u) {
  tt_non_finite policy = r->config->train.non_finite;
  if (policy == TT_NON_FINITE_STOP) return TT_ERR_NUMERIC; // it is reported
  char *message = strdup(tt_error_message());
  TT_TRY(tt_comm_agree(r->comm, message ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory")));
  tt_status status = check_limit(r, message);
  if (status == TT_OK) status = (policy == TT_NON_FINITE_SKIP ? skip : roll_back)(r, batch, u, message);
  free(message);
  return status;
}
