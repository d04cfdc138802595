#include "train/run.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/progress.h"
#include "model/flops.h"
#include "train/failures.h"
#include "train/records.h"
#include "train/replicas.h"
#include "train/run_checkpoints.h"
#include "train/run_folder.h"
#include "train/runlog.h"
#include "train/skipped.h"
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
  tt_run_checkpoints checkpoints;
  double rate_since;
  uint64_t rate_samples;
  double rate_waited; // for molecules, seconds since then
  double data_s;      // the same since the last record
} run_state;

static bool leader(const run_state *r) {
  return r->comm->rank == 0;
}

// ---- start or resume ----

static tt_status start_folder(run_state *r) {
  const char *folder = r->request->folder;
  TT_TRY(tt_run_folder_start(folder, r->config_text, r->request->resume, &r->lock));
  return tt_runlog_create(&r->log, folder, tt_record_run(&r->trainer, r->config_text, r->store));
}

// Sets *checkpoint to the one to go on from, or to "" for a fresh start. Rank 0 decides, all are told.
static tt_status choose_start(run_state *r, char checkpoint[PATH_MAX]) {
  tt_status status = TT_OK;
  const char *folder = r->request->folder;
  checkpoint[0] = 0;
  if (leader(r)) {
    if (!*folder)
      status = TT_OK; // a dry run may leave it out
    else if (r->request->resume) {
      int64_t step;
      // locked before a broken checkpoint may be renamed
      if (!r->request->dry_run && tt_file_exists(folder)) status = tt_run_folder_lock(folder, &r->lock);
      if (status == TT_OK) status = tt_checkpoint_newest(folder, INT64_MAX, &step, checkpoint, PATH_MAX);
    } else
      status = tt_run_folder_check_empty(folder);
  }
  TT_TRY(tt_comm_agree(r->comm, status));
  return tt_comm_broadcast(r->comm, checkpoint, PATH_MAX, 0);
}

// Weights and state to start with. *checkpoint becomes the one before it, if it is broken.
static tt_status load(run_state *r, char checkpoint[PATH_MAX]) {
  tt_status status = TT_OK;
  if (!*checkpoint) {
    if (r->request->init_from) status = tt_trainer_load_weights(&r->trainer, r->request->init_from);
    return tt_comm_agree(r->comm, leader(r) ? status : TT_OK); // all ranks have the same error
  }
  TT_TRY(tt_run_checkpoints_load(&r->trainer, r->request->folder, r->request->dry_run, checkpoint, PATH_MAX));
  if (leader(r))
    status =
        tt_run_folder_check_same(r->request->folder, checkpoint, &r->trainer.state, r->config_text, r->store);
  return tt_comm_agree(r->comm, status);
}

// A run that has left out chunks goes on in the order that this gave.
static tt_status restore_order(run_state *r) {
  const tt_lane_cuts *skipped = &r->trainer.state.skipped;
  if (skipped->count == 0) return TT_OK;
  tt_loader_free(r->loader);
  return tt_loader_create(&r->loader, r->comm, r->store, r->config, tt_flops_cost, skipped);
}

static tt_status check_failures(const run_state *r) {
  bool look = leader(r) && *r->request->folder;
  return tt_comm_agree(r->comm, look ? tt_failures_check(r->request->folder, r->trainer.state.step) : TT_OK);
}

static tt_status begin(run_state *r, const char *checkpoint) {
  tt_status status = TT_OK;
  if (!*checkpoint) {
    if (leader(r)) status = start_folder(r);
  } else {
    if (leader(r)) status = tt_checkpoint_prune(r->request->folder, 0); // what a killed job left half-written
    if (leader(r) && status == TT_OK)
      status = tt_runlog_resume(&r->log, r->request->folder, r->trainer.state.step);
    if (leader(r) && status == TT_OK && r->trainer.state.step < r->config->train.steps)
      status = tt_runlog_append(r->log, tt_record_resume(&r->trainer));
  }
  TT_TRY(tt_comm_agree(r->comm, status));
  TT_TRY(tt_run_checkpoints_open(&r->checkpoints, &r->trainer, r->request->folder, r->log));
  snprintf(r->trainer.state.store_digest, sizeof r->trainer.state.store_digest, "%s",
           tt_store_digest(r->store));
  free(r->trainer.state.config);
  r->trainer.state.config = strdup(r->config_text);
  return tt_comm_agree(r->comm, r->trainer.state.config ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory"));
}

// ---- the loop ----

static tt_status validate(run_state *r) {
  TT_TRY(tt_trainer_evaluate(&r->trainer, r->valid, &r->last));
  tt_status status = TT_OK;
  if (leader(r)) status = tt_runlog_append(r->log, tt_record_valid(&r->trainer, &r->last, &r->baseline));
  return tt_comm_agree(r->comm, status);
}

static void show(const run_state *r, const tt_update *u, double rate, double waiting) {
  int64_t left = r->config->train.steps - r->trainer.state.step;
  tt_progress_show(
      &(tt_progress){.what = "training",
                     .counter = "step",
                     .unit = "molecules",
                     .done = r->trainer.state.step,
                     .total = r->config->train.steps,
                     .rate = rate,
                     .waiting = waiting,
                     .seconds_left = rate > 0 ? (double)left * r->config->train.batch_size / rate : NAN,
                     .loss = u->losses.loss,
                     .token = u->losses.token,
                     .position = u->losses.position,
                     .distance = u->losses.distance});
}

// Molecules a second, and the share of the time that was waited for them, both smoothed over some steps.
static double rate_now(run_state *r, double *waiting) {
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

static tt_status check_replicas(const run_state *r) {
  const tt_trainer *t = &r->trainer;
  return tt_replicas_check(&t->mesh, t->parameters, t->weights, t->state.step);
}

// The molecules of the next update. Without them the run ends, but what it has computed is worth keeping.
static tt_status next_batch(run_state *r, const tt_global_batch **batch) {
  tt_status status = tt_loader_batch(r->loader, r->trainer.state.step, batch);
  if (status != TT_OK) (void)tt_run_checkpoints_progress(&r->checkpoints, true);
  return status;
}

static tt_status one_step(run_state *r) {
  const tt_train_config *k = &r->config->train;
  const tt_global_batch *batch;
  tt_update update;
  TT_TRY(next_batch(r, &batch));
  if (batch->skipped) TT_TRY(tt_comm_agree(r->comm, tt_skipped_note(&r->trainer, r->store, batch, r->log)));
  TT_TRY(tt_trainer_update(&r->trainer, batch, &update));
  int64_t step = r->trainer.state.step;
  if (k->replica_check_every > 0 && step % k->replica_check_every == 0) TT_TRY(check_replicas(r));
  bool save_due = due(step, k->checkpoint_every, k->steps);
  tt_status status = TT_OK;
  r->data_s += batch->data_s, r->rate_waited += batch->data_s;
  if (leader(r)) {
    double waiting, rate = rate_now(r, &waiting);
    if (save_due || due(step, k->log_every, k->steps)) {
      status = tt_runlog_append(r->log, tt_record_step(&r->trainer, &update, rate, r->data_s));
      r->data_s = 0;
    }
    show(r, &update, rate, waiting);
  }
  TT_TRY(tt_comm_agree(r->comm, status));
  if (due(step, r->config->validation.every, k->steps)) TT_TRY(validate(r));
  return save_due ? tt_run_checkpoints_save(&r->checkpoints)
                  : tt_run_checkpoints_progress(&r->checkpoints, false);
}

static tt_status loop(run_state *r) {
  r->rate_since = tt_now();
  r->rate_samples = r->trainer.state.samples;
  if (r->config->train.replica_check_every > 0) TT_TRY(check_replicas(r)); // what was read and handed out
  if (r->trainer.state.step == 0) TT_TRY(validate(r));
  while (r->trainer.state.step < r->config->train.steps) TT_TRY(one_step(r));
  return tt_run_checkpoints_progress(&r->checkpoints, true);
}

// ---- what is printed ----

static void print_plan(const run_state *r) {
  const tt_config *c = r->config;
  const tt_model_config *m = &c->model;
  double atoms = 0, records = 0;
  for (uint32_t s = 0; s < tt_store_shards(r->store); s++) {
    const tt_shard_entry *e = tt_store_shard(r->store, s);
    if (e->split == TT_TRAIN) atoms += (double)e->atoms, records += (double)e->records;
  }
  int mean = records > 0 ? (int)lround(atoms / records) : 0;
  double flops = 3 * tt_flops_executed(m, mean, c->data.mask_probability * mean) * c->train.batch_size;
  printf("model      %s: %d layers, atom track %d wide (%d heads), pair track %d wide (hidden %d); %lld "
         "parameters\n",
         *m->preset ? m->preset : "own dimensions", m->layers, m->embed_dim, m->heads, m->pair_dim,
         m->pair_hidden, (long long)r->trainer.parameters->whole);
  printf("data       %s: %llu training and %llu validation molecules, %.1f atoms on average\n",
         tt_store_folder(r->store), (unsigned long long)tt_store_records(r->store, TT_TRAIN),
         (unsigned long long)tt_store_records(r->store, TT_VALID), records > 0 ? atoms / records : 0);
  char layout[64] = "";
  if (c->parallel.tensor > 1)
    snprintf(layout, sizeof layout, " (%d data x %d tensor)", r->trainer.mesh.data.size, c->parallel.tensor);
  printf(
      "run        %lld updates of %d molecules (%.2f epochs) in %d leaves on %d rank%s%s; about %.3g GFLOP "
      "an update\n",
      (long long)c->train.steps, c->train.batch_size,
      records > 0 ? (double)c->train.steps * c->train.batch_size / records : 0, c->train.micro_batches,
      r->comm->size, r->comm->size > 1 ? "s" : "", layout, flops * 1e-9);
  printf("memory     %.0f MB a rank for weights, moments, the gradient tree and its exchange; activations "
         "come on top (train.max_pairs = "
         "%lld bounds them)\n",
         1e-6 * tt_trainer_bytes(&r->trainer), (long long)c->train.max_pairs);
  fflush(stdout);
}

static void print_row(const char *name, double loss, double se, double baseline, const char *meaning) {
  printf("  %-9s %8.4f +- %.4f   baseline %8.4f (%s): %.3f x\n", name, loss, se, baseline, meaning,
         baseline > 0 ? loss / baseline : NAN);
}

static void print_summary(const run_state *r) {
  const tt_losses *l = &r->last, *b = &r->baseline;
  tt_progress_clear();
  printf("validation after %lld updates, %lld molecules (%lld masked atoms), masks and noise fixed:\n",
         (long long)r->trainer.state.step, (long long)l->molecules, (long long)l->masked);
  print_row("token", l->token, l->token_se, b->token, "entropy of the elements");
  print_row("position", l->position, l->position_se, b->position, "nothing moved");
  print_row("distance", l->distance, l->distance_se, b->distance, "nothing moved");
  printf("  %-9s %8.4f +- %.4f\n", "total", l->loss, l->loss_se);
  printf(
      "the run is in %s: run.jsonl, config.cfg, checkpoints/; 'twotrack plot %s --out loss.png' draws it\n",
      r->request->folder, r->request->folder);
  fflush(stdout);
}

// ---- putting it together ----

static tt_status open_data(run_state *r) {
  tt_status status = tt_store_open(&r->store, r->config->data.store);
  TT_TRY(tt_comm_agree(r->comm, status));
  TT_TRY(tt_loader_create(&r->loader, r->comm, r->store, r->config, tt_flops_cost, NULL));
  return tt_validation_create(&r->valid, r->comm, r->store, r->config, tt_flops_cost);
}

static tt_status run_all(run_state *r) {
  char checkpoint[PATH_MAX];
  TT_TRY(tt_comm_agree(r->comm, tt_config_print(r->config, &r->config_text)));
  TT_TRY(choose_start(r, checkpoint));
  TT_TRY(open_data(r));
  TT_TRY(tt_trainer_plan(&r->trainer, r->comm, r->config));
  if (leader(r)) print_plan(r); // before memory is taken: it says how much
  if (r->request->dry_run && !*checkpoint && !r->request->init_from) return check_failures(r);
  TT_TRY(tt_trainer_init(&r->trainer, r->comm, r->config)); // takes a while when the model is large
  TT_TRY(load(r, checkpoint));
  TT_TRY(restore_order(r));
  TT_TRY(check_failures(r));
  if (r->request->dry_run) return TT_OK;
  TT_TRY(begin(r, checkpoint));
  tt_failures_watch(r->request->folder, r->comm->rank, &r->trainer.state.step);
  TT_TRY(tt_trainer_baseline(&r->trainer, r->valid, &r->baseline));
  if (leader(r) && *checkpoint) printf("resuming   from %s\n", checkpoint);
  if (leader(r)) fflush(stdout);
  bool done = r->trainer.state.step >= r->config->train.steps;
  tt_status status = done ? tt_trainer_evaluate(&r->trainer, r->valid, &r->last) : loop(r);
  if (status == TT_ERR_NUMERIC) // as next_batch
    (void)tt_run_checkpoints_progress(&r->checkpoints, true);
  TT_TRY(status);
  if (leader(r)) print_summary(r);
  return TT_OK;
}

tt_status tt_run(const tt_comm *comm, const tt_config *config, const tt_run_request *request) {
  run_state r = {.comm = comm, .config = config, .request = request, .lock = -1};
  tt_status status = run_all(&r);
  tt_failures_end_watch();
  tt_progress_clear();
  tt_run_checkpoints_close(&r.checkpoints);
  tt_runlog_close(r.log);
  if (r.lock >= 0) close(r.lock);
  tt_validation_free(r.valid);
  tt_loader_free(r.loader);
  tt_store_close(r.store);
  tt_trainer_free(&r.trainer);
  free(r.config_text);
  return status;
}
