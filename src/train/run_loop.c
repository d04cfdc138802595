// The loop of a run: updates, validation, checkpoints, records.
#include <math.h>

#include "core/clock.h"
#include "core/position.h"
#include "train/records.h"
#include "train/replicas.h"
#include "train/run_state.h"
#include "train/skipped.h"
#include "watch/watch.h"

// How long a save takes before one was measured: weights and two moments, at the pace of a busy file system.
enum { BYTES_EACH = 12, GUESSED_BYTES_PER_S = 100000000 };

static tt_status validate(tt_run_state *r) {
  tt_position_phase("validation", r->trainer.state.step);
  TT_TRY(tt_trainer_evaluate(&r->trainer, r->valid, &r->last));
  tt_status status = TT_OK;
  if (tt_run_leader(r))
    status = tt_runlog_append(r->log, tt_record_valid(&r->trainer, &r->last, &r->baseline));
  TT_TRY(tt_comm_agree(r->comm, status));
  const tt_losses *l = &r->last; // no batch is to blame, so none can be left out
  if (!isfinite(l->loss))
    status =
        tt_fail(TT_ERR_NUMERIC,
                "validation after update %lld: the loss is %g (token %g, position %g, distance %g). Start a "
                "new run (--init-from goes on from a checkpoint's weights) with a lower "
                "optimizer.learning_rate or a longer optimizer.warmup_steps",
                (long long)r->trainer.state.step, l->loss, l->token, l->position, l->distance);
  return tt_comm_agree(r->comm, status);
}

// Molecules a second, and the share of the time that was waited for them, both smoothed over some steps.
static double rate_now(tt_run_state *r, double *waiting) {
  double now = tt_now(), seconds = now - r->rate_since;
  double rate = seconds > 0 ? (double)(r->trainer.state.samples - r->rate_samples) / seconds : NAN;
  *waiting = seconds > 0 ? r->rate_waited / seconds : 0;
  if (seconds > 10) { // forget the older half, so that the figures follow changes
    r->rate_since = now - seconds / 2;
    r->rate_samples = r->trainer.state.samples - (r->trainer.state.samples - r->rate_samples) / 2;
    r->rate_waited /= 2;
  }
  return rate;
}

static bool due(int64_t step, int64_t every, int64_t last) {
  return step == last || (every > 0 && step % every == 0);
}

static tt_status check_replicas(const tt_run_state *r) {
  const tt_trainer *t = &r->trainer;
  tt_position_phase("comparing the replicas", t->state.step);
  tt_trainer_settle(t);
  return tt_replicas_check(&t->mesh, t->parameters, t->ops, t->weights, t->state.step);
}

// The molecules of the next update. Without them the run ends, but what it has computed is worth keeping.
static tt_status next_batch(tt_run_state *r, const tt_global_batch **batch) {
  tt_status status = tt_loader_batch(r->loader, r->trainer.state.step, batch);
  if (status != TT_OK) (void)tt_run_checkpoints_progress(&r->checkpoints, true);
  return status;
}

static tt_status one_step(tt_run_state *r) {
  const tt_train_config *k = &r->config->train;
  const tt_global_batch *batch;
  tt_update update;
  tt_position_phase("update", r->trainer.state.step + 1);
  TT_TRY(next_batch(r, &batch));
  if (batch->skipped) TT_TRY(tt_comm_agree(r->comm, tt_skipped_note(&r->trainer, r->store, batch, r->log)));
  TT_TRY(tt_run_note_batch(r, batch));
  tt_status status = tt_trainer_update(&r->trainer, batch, &update);
  tt_watch_moving();
  if (status == TT_ERR_NUMERIC) return tt_run_non_finite(r, batch, &update);
  TT_TRY(status);
  int64_t step = r->trainer.state.step;
  if (k->replica_check_every > 0 && step % k->replica_check_every == 0) TT_TRY(check_replicas(r));
  bool save_due = due(step, k->checkpoint_every, k->steps);
  r->data_s += batch->data_s, r->rate_waited += batch->data_s;
  if (tt_run_leader(r)) {
    double waiting, rate = rate_now(r, &waiting);
    if (save_due || due(step, k->log_every, k->steps)) {
      status = tt_runlog_append(r->log, tt_record_step(&r->trainer, &update, rate, r->data_s));
      r->data_s = 0;
    }
    tt_run_print_progress(r, &update, rate, waiting);
    if (status == TT_OK) status = tt_spikes_watch(&r->spikes, &r->trainer, batch, &update, r->log);
  }
  TT_TRY(tt_comm_agree(r->comm, status));
  if (due(step, r->config->validation.every, k->steps)) TT_TRY(validate(r));
  return save_due ? tt_run_checkpoints_save(&r->checkpoints)
                  : tt_run_checkpoints_progress(&r->checkpoints, false);
}

tt_status tt_run_find_missing_validation(tt_run_state *r) {
  int64_t step = r->trainer.state.step;
  bool is_due = due(step, r->config->validation.every, r->config->train.steps);
  if (tt_run_leader(r)) r->validation_missing = step == 0 || (is_due && tt_runlog_validated(r->log) < step);
  return tt_comm_broadcast(r->comm, &r->validation_missing, sizeof r->validation_missing, 0);
}

tt_status tt_run_loop(tt_run_state *r) {
  r->rate_since = tt_now();
  r->rate_samples = r->trainer.state.samples;
  if (r->config->train.replica_check_every > 0) TT_TRY(check_replicas(r)); // what was read and handed out
  r->stopping.save_seconds = (double)r->trainer.parameters->whole * BYTES_EACH / GUESSED_BYTES_PER_S;
  tt_stopping_forget(&r->stopping);
  if (r->validation_missing) TT_TRY(validate(r));
  while (r->trainer.state.step < r->config->train.steps) {
    TT_TRY(tt_stopping_look(&r->stopping));
    TT_TRY(one_step(r));
    if (r->checkpoints.seconds > 0) r->stopping.save_seconds = r->checkpoints.seconds;
  }
  return tt_run_checkpoints_progress(&r->checkpoints, true);
}
