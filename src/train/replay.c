#include "train/replay.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/progress.h"
#include "model/flops.h"
#include "train/batches.h"
#include "train/run_folder.h"

typedef struct {
  const tt_comm *comm;
  const tt_replay_request *request;
  tt_config config;
  tt_store *store;
  tt_loader *loader;
  tt_trainer trainer;
  tt_lane_cuts cuts;      // of the whole run up to the update
  tt_number_set left_out; // batches, likewise
} state;

static bool leader(const state *s) {
  return s->comm->rank == 0;
}

// ---- where to start ----

static tt_status none_before(const tt_replay_request *q) {
  int64_t step = INT64_MAX, oldest = -1;
  char path[PATH_MAX];
  do {
    TT_TRY(tt_checkpoint_newest(q->run, step, &step, path, sizeof path));
    if (step >= 0) oldest = step;
  } while (step >= 0);
  if (oldest < 0)
    return tt_fail(
        TT_ERR_DATA,
        "%s has no checkpoint to replay update %lld from; --from-start begins with the initial weights "
        "(not those of a run that was begun with --init-from)",
        q->run, (long long)q->step);
  return tt_fail(TT_ERR_DATA,
                 "no checkpoint before update %lld is kept in %s: updates from %lld on can be replayed. "
                 "--from-start begins with the initial weights (not those of a run that was begun with "
                 "--init-from)",
                 (long long)q->step, q->run, (long long)oldest + 1);
}

// Rank 0: the newest checkpoint before the update, and the configuration that it or the run was begun with.
static tt_status choose(const tt_replay_request *q, tt_replay *r, char **config) {
  if (access(q->run, R_OK | X_OK) != 0)
    return tt_fail(TT_ERR_IO, "the run folder %s cannot be read: %s", q->run, strerror(errno));
  TT_TRY(tt_checkpoint_newest(q->run, q->step, &r->from, r->checkpoint, sizeof r->checkpoint));
  if (*r->checkpoint) {
    tt_checkpoint_info info;
    TT_TRY(tt_checkpoint_info_read(r->checkpoint, &info));
    *config = strdup(info.state.config ? info.state.config : "");
    tt_checkpoint_info_free(&info);
    return *config ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory");
  }
  if (!q->from_start) return none_before(q);
  char path[PATH_MAX];
  size_t bytes;
  r->from = 0;
  if (snprintf(path, sizeof path, "%s/config.cfg", q->run) >= (int)sizeof path)
    return tt_fail(TT_ERR_IO, "the path of the run folder %.60s... is too long", q->run);
  return tt_file_read(path, config, &bytes);
}

// Collective: rank 0's text to all.
static tt_status hand_out(const tt_comm *comm, char **text) {
  int64_t bytes = comm->rank == 0 ? (int64_t)strlen(*text) + 1 : 0;
  TT_TRY(tt_comm_broadcast(comm, &bytes, sizeof bytes, 0));
  if (comm->rank != 0) *text = malloc((size_t)bytes);
  TT_TRY(tt_comm_agree(comm, *text ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory")));
  return tt_comm_broadcast(comm, *text, (size_t)bytes, 0);
}

// Another number of ranks that share a leaf, checked like one that was read.
static tt_status set_tensor(tt_config *c, const char *name, int tensor) {
  char *text;
  c->parallel.tensor = tensor;
  TT_TRY(tt_config_print(c, &text));
  tt_config_free(c);
  tt_status status = tt_config_load_text(c, name, text);
  free(text);
  return status;
}

static tt_status set_up(state *s, const tt_replay *r, const char *text) {
  const tt_replay_request *q = s->request;
  tt_config *c = &s->config;
  const char *name = *r->checkpoint ? r->checkpoint : q->run;
  TT_TRY(tt_config_load_text(c, name, text));
  if (q->step > c->train.steps)
    return tt_fail(TT_ERR_ARGUMENT, "update %lld is beyond the end of the run, which has %lld",
                   (long long)q->step, (long long)c->train.steps);
  if (q->tensor) TT_TRY(set_tensor(c, name, q->tensor));
  c->data.bad_chunks = TT_BAD_STOP; // only what the run left out is left out
  c->train.silent_check_every = 0;  // it looks at the same places
  if (!q->store) return TT_OK;
  free(c->data.store);
  c->data.store = strdup(q->store);
  return c->data.store ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory");
}

static tt_status configure(state *s, tt_replay *r) {
  char *text = NULL;
  TT_TRY(tt_comm_agree(s->comm, leader(s) ? choose(s->request, r, &text) : TT_OK));
  tt_status status = tt_comm_broadcast(s->comm, r->checkpoint, sizeof r->checkpoint, 0);
  if (status == TT_OK) status = tt_comm_broadcast(s->comm, &r->from, sizeof r->from, 0);
  if (status == TT_OK) status = hand_out(s->comm, &text);
  if (status == TT_OK) status = tt_comm_agree(s->comm, set_up(s, r, text));
  free(text);
  return status;
}

// ---- state and data ----

static tt_status load(state *s, const tt_replay *r) {
  if (!*r->checkpoint) return TT_OK; // initial values
  tt_trainer *t = &s->trainer;
  tt_status status = tt_trainer_load(t, r->checkpoint);
  TT_TRY(tt_comm_agree(s->comm, leader(s) ? status : TT_OK)); // all ranks have the same error
  if (leader(s)) // the configuration is its own: this compares the stores
    status = tt_run_folder_check_same(s->request->run, r->checkpoint, &t->state, t->state.config, s->store);
  return tt_comm_agree(s->comm, leader(s) ? status : TT_OK);
}

static tt_status read_log(state *s, tt_replay *r) {
  const tt_config *c = &s->config;
  tt_lanes lanes;
  TT_TRY(tt_lanes_init(&lanes, tt_seed_for(c->train.seed, TT_SEED_ORDER),
                       tt_store_records(s->store, TT_TRAIN), tt_store_chunks(s->store, TT_TRAIN),
                       (uint64_t)c->data.lanes));
  TT_TRY(tt_replay_log_read(&r->log, s->request->run, r->from + 1, s->request->step, &lanes));
  TT_TRY(tt_lane_cuts_copy(&s->cuts, &s->trainer.state.skipped));
  for (size_t k = 0; k < r->log.cuts.count; k++) TT_TRY(tt_lane_cuts_add(&s->cuts, r->log.cuts.cuts[k]));
  size_t unused;
  TT_TRY(tt_batches_left_out(&c->train, &s->trainer.state, &s->left_out, &unused));
  return tt_batches_of_log(r->log.batches, s->request->step, &s->left_out);
}

// Collective: rank 0's list to all.
static tt_status hand_out_cuts(state *s) {
  int64_t count = (int64_t)s->cuts.count;
  TT_TRY(tt_comm_broadcast(s->comm, &count, sizeof count, 0));
  for (int64_t k = 0; k < count; k++) {
    tt_lane_cut cut = leader(s) ? s->cuts.cuts[k] : (tt_lane_cut){0};
    TT_TRY(tt_comm_broadcast(s->comm, &cut, sizeof cut, 0));
    TT_TRY(tt_comm_agree(s->comm, leader(s) ? TT_OK : tt_lane_cuts_add(&s->cuts, cut)));
  }
  return TT_OK;
}

static tt_status hand_out_batches(state *s) {
  tt_number_set *own = &s->left_out, given = {0};
  uint64_t count = own->count;
  tt_status status = TT_OK;
  TT_TRY(tt_comm_broadcast(s->comm, &count, sizeof count, 0));
  if (!leader(s)) status = tt_reserve(&given.values, &given.room_, count, sizeof *given.values, "batches");
  TT_TRY(tt_comm_agree(s->comm, status));
  given.count = (size_t)count;
  status =
      tt_comm_broadcast(s->comm, leader(s) ? own->values : given.values, count * sizeof *given.values, 0);
  if (status == TT_OK && !leader(s)) status = tt_number_set_copy(own, &given);
  tt_number_set_free(&given);
  return tt_comm_agree(s->comm, status);
}

static tt_status open_data(state *s, tt_replay *r) {
  TT_TRY(tt_comm_agree(s->comm, tt_store_open(&s->store, s->config.data.store)));
  TT_TRY(tt_trainer_init(&s->trainer, s->comm, &s->config));
  TT_TRY(load(s, r));
  TT_TRY(tt_comm_agree(s->comm, leader(s) ? read_log(s, r) : TT_OK));
  TT_TRY(hand_out_cuts(s));
  TT_TRY(hand_out_batches(s));
  TT_TRY(tt_loader_create(&s->loader, s->comm, s->store, &s->config, tt_flops_cost, &s->cuts));
  return tt_comm_agree(s->comm, tt_loader_leave_out(s->loader, &s->left_out));
}

// ---- the updates ----

static void show(const state *s, const tt_replay *r) {
  int64_t done = s->trainer.state.step - r->from;
  if (leader(s))
    tt_progress_show(&(tt_progress){.what = "replaying",
                                    .unit = "updates",
                                    .done = done,
                                    .total = s->request->step - r->from,
                                    .rate = NAN});
}

static void count_same(tt_replay *r, int64_t step, const tt_update *u) {
  const tt_logged_update *logged = tt_replay_log_at(&r->log, step);
  if (!logged->there) return;
  if (tt_replay_log_same(&logged->update, u))
    r->same++;
  else
    r->other++;
}

static tt_status run_before(state *s, tt_replay *r) {
  while (s->trainer.state.step < s->request->step - 1) {
    const tt_global_batch *batch;
    tt_update update;
    TT_TRY(tt_loader_batch(s->loader, s->trainer.state.step, &batch));
    TT_TRY(tt_trainer_update(&s->trainer, batch, &update));
    if (leader(s)) count_same(r, s->trainer.state.step, &update);
    show(s, r);
  }
  return TT_OK;
}

// The batch of the update, or the one that it was tried with before: of those left out, it knew only those
// before that one then.
static tt_status last_batch(state *s, tt_replay_log *log, const tt_global_batch **batch) {
  const int64_t *wanted = s->request->batch;
  if (wanted) {
    if (leader(s)) tt_replay_log_forget(log); // its record is of the batch that was used
    s->left_out.count = tt_number_set_below(&s->left_out, *wanted);
    TT_TRY(tt_comm_agree(s->comm, tt_loader_leave_out(s->loader, &s->left_out)));
  }
  TT_TRY(tt_loader_batch(s->loader, s->trainer.state.step, batch));
  if (!wanted || (*batch)->number == *wanted) return TT_OK;
  long long step = s->request->step, given = *wanted, right = (*batch)->number;
  tt_status status = tt_fail(TT_ERR_DATA,
                             "update %lld has never been tried with batch %lld; the first it can be "
                             "tried with is %lld",
                             step, given, right);
  return tt_comm_agree(s->comm, status);
}

static tt_status run_last(state *s, tt_replay *r) {
  tt_trainer *t = &s->trainer;
  const tt_global_batch *batch;
  TT_TRY(last_batch(s, &r->log, &batch));
  t->non_finite_quietly = true; // it is what is to be looked at
  TT_TRY(tt_comm_agree(s->comm, tt_parameters_look(&r->parameters, t)));
  tt_activations_begin(&r->activations, t);
  tt_status status = tt_trainer_update(t, batch, &r->update), ended = tt_activations_end(&r->activations, t);
  r->finite = status == TT_OK;
  if (status != TT_OK && status != TT_ERR_NUMERIC) return status;
  TT_TRY(ended);
  TT_TRY(tt_parameters_compare(&r->parameters, t));
  r->worst_count = tt_worst_find(t, batch, TT_WORST, r->worst);
  r->batch = batch->number;
  r->molecules = batch->count;
  show(s, r);
  return TT_OK;
}

static tt_status run(state *s, tt_replay *r) {
  TT_TRY(configure(s, r));
  TT_TRY(open_data(s, r));
  r->ranks = s->comm->size;
  r->layers = s->config.model.layers;
  snprintf(r->backend, sizeof r->backend, "%s", s->trainer.ops->name);
  TT_TRY(run_before(s, r));
  return run_last(s, r);
}

tt_status tt_replay_run(const tt_comm *comm, const tt_replay_request *request, tt_replay *r) {
  *r = (tt_replay){0};
  state s = {.comm = comm, .request = request};
  tt_status status = run(&s, r);
  tt_progress_clear();
  tt_loader_free(s.loader);
  tt_trainer_free(&s.trainer);
  tt_store_close(s.store);
  tt_lane_cuts_free(&s.cuts);
  tt_number_set_free(&s.left_out);
  tt_config_free(&s.config);
  return status;
}

void tt_replay_free(tt_replay *r) {
  tt_replay_log_free(&r->log);
  tt_activations_free(&r->activations);
  tt_parameters_statistics_free(&r->parameters);
}
