// Whole updates on a store of made-up molecules, run with 1, 2 and 4 ranks under mpirun: what is sent and
// when, and a rank that fails while the others' gradients are on their way. update_test CONFIG MAKE_STORE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/activations.h"
#include "model/flops.h"
#include "train/memory.h"
#include "train/trainer.h"

static tt_comm comm;
static tt_config config;
static tt_store *store;
static const int groups[] = {1, 2, 4}; // ranks of a tensor group, as far as there are so many

// Two buckets of layers, and one leaf or more a rank.
static const char *const settings[] = {
    "model.layers=3",      "model.embed_dim=512",    "model.ffn_dim=2048", "train.batch_size=8",
    "train.max_pairs=250", "train.micro_batches=4",  "train.steps=9",      "optimizer.warmup_steps=1",
    "data.lanes=4",        "validation.molecules=8",
};

// What the model computes with, and how it is told to fail.
static tt_ops ops;
static const tt_ops *real;
static int scratch_calls, fail_at;

// The backward's last step: by then the gradients of all layers are on their way, if this is the last piece.
static int64_t sent_before_the_end;
static void embed_tokens_backward(const tt_batch *batch, int dim, const float *dx, float *dtoken,
                                  float *datom, float *ddegree, float *dvnode) {
  sent_before_the_end = comm.traffic->sent[TT_TRAFFIC_GRADIENTS];
  real->embed_tokens_backward(batch, dim, dx, dtoken, datom, ddegree, dvnode);
}

static size_t scratch(const tt_sizes *sizes) {
  return ++scratch_calls == fail_at ? SIZE_MAX / 2 : real->scratch(sizes);
}

typedef struct {
  tt_trainer trainer;
  tt_loader *loader;
} run;

static void begin(run *r) {
  *r = (run){0};
  assert_int_equal(tt_trainer_init(&r->trainer, &comm, &config), TT_OK);
  assert_int_equal(tt_loader_create(&r->loader, &comm, store, &config, tt_flops_cost, NULL), TT_OK);
  assert_true(r->trainer.shards.count >= 4);
  real = r->trainer.model->ops;
  ops = *real;
  ops.embed_tokens_backward = embed_tokens_backward;
  ops.scratch = scratch;
  r->trainer.model->ops = &ops;
  scratch_calls = fail_at = 0;
}

static void end(run *r) {
  tt_loader_free(r->loader);
  tt_trainer_free(&r->trainer);
}

static tt_status update(run *r, tt_update *u) {
  const tt_global_batch *batch;
  assert_int_equal(tt_loader_batch(r->loader, r->trainer.state.step, &batch), TT_OK);
  assert_int_equal(comm.traffic->now, TT_TRAFFIC_OTHER); // what follows a batch is not of its records
  memset(comm.traffic->sent, 0, sizeof comm.traffic->sent);
  return tt_trainer_update(&r->trainer, batch, u);
}

// What was sent is what the plan of the layout says, and the gradients of the layers left before the backward
// was over.
static void sends_what_is_planned(int tensor) {
  run r;
  tt_update u;
  config.parallel.tensor = tensor;
  begin(&r);
  const tt_parameters *p = r.trainer.parameters;
  const tt_mesh *mesh = &r.trainer.mesh;
  int64_t planned[TT_TRAFFIC_KINDS] = {0}, layers[TT_TRAFFIC_KINDS] = {0}, owned = 0;
  tt_shards_traffic(p, mesh->data.size, mesh->data.rank, planned);
  tt_parameters of_layers = *p;
  tt_bucket bucket[16];
  of_layers.bucket = bucket, of_layers.buckets = 0;
  for (int k = 0; k < p->buckets; k++)
    if (p->bucket[k].layer != TT_BUCKET_AT_END) bucket[of_layers.buckets++] = p->bucket[k];
  tt_shards_traffic(&of_layers, mesh->data.size, mesh->data.rank, layers);
  assert_int_equal(comm.size > 1, layers[TT_TRAFFIC_GRADIENTS] > 0);
  for (int step = 0; step < 2; step++) {
    assert_int_equal(update(&r, &u), TT_OK);
    planned[TT_TRAFFIC_LOSSES] = (comm.size - 1) * r.trainer.work.owned * (int64_t)sizeof(tt_molecule_losses);
    for (int k = 0; k < TT_TRAFFIC_KINDS; k++)
      if (tensor == 1 || (k != TT_TRAFFIC_TOKENS && k != TT_TRAFFIC_BIAS))
        assert_int_equal(comm.traffic->sent[k], planned[k]);
    assert_int_equal(sent_before_the_end, layers[TT_TRAFFIC_GRADIENTS]);
  }
  for (int k = 0; k < r.trainer.shards.count; k++) owned += r.trainer.shards.list[k].count;
  tt_trainer_memory m;
  assert_int_equal(tt_trainer_memory_plan(&config, mesh->data.size, tensor, comm.rank, &m), TT_OK);
  assert_int_equal(m.moments, 8 * owned);
  end(&r);
  config.parallel.tensor = 1;
}

static void sends_what_is_planned_in_every_layout(void **state) {
  (void)state;
  for (int k = 0; k < 3 && groups[k] <= comm.size; k++) sends_what_is_planned(groups[k]);
}

static void evaluation_sends_no_gradients(void **state) {
  (void)state;
  run r;
  tt_validation_set *set;
  tt_losses losses;
  tt_update u;
  begin(&r);
  assert_int_equal(tt_validation_create(&set, &comm, store, &config, tt_flops_cost), TT_OK);
  assert_int_equal(update(&r, &u), TT_OK); // the hook of its last piece must not stay
  int64_t before = comm.traffic->sent[TT_TRAFFIC_GRADIENTS];
  assert_int_equal(tt_trainer_evaluate(&r.trainer, set, &losses), TT_OK);
  assert_int_equal(comm.traffic->sent[TT_TRAFFIC_GRADIENTS], before);
  tt_validation_free(set);
  end(&r);
}

// The last rank runs out of memory in a piece, when the others may have sent. All ranks learn of it,
// none hangs, no weight has changed, and once there is memory the update gives what it would have given.
static void a_rank_fails_on_the_way(void **state) {
  (void)state;
  run good, bad;
  tt_update u, again;
  begin(&good);
  assert_int_equal(update(&good, &u), TT_OK);
  scratch_calls = 0;
  assert_int_equal(update(&good, &u), TT_OK);
  int pieces = scratch_calls;
  begin(&bad);
  assert_int_equal(update(&bad, &again), TT_OK);
  size_t bytes = (size_t)bad.trainer.parameters->total * sizeof(float);
  float *before = malloc(bytes);
  memcpy(before, bad.trainer.weights, bytes);
  for (int first = 1; first >= 0; first--) { // in its first piece, and in its last one
    scratch_calls = 0;
    fail_at = comm.rank < comm.size - 1 ? 0 : first ? 1 : pieces;
    assert_int_equal(update(&bad, &again), TT_ERR_MEMORY);
    assert_non_null(strstr(tt_error_message(), "out of memory"));
    assert_memory_equal(bad.trainer.weights, before, bytes);
    assert_int_equal(bad.trainer.state.step, 1);
  }
  fail_at = 0;
  assert_int_equal(update(&bad, &again), TT_OK);
  assert_memory_equal(&again, &u, sizeof u);
  assert_memory_equal(bad.trainer.weights, good.trainer.weights, bytes);
  free(before);
  end(&good);
  end(&bad);
}

// Rank 0 makes the store in a folder of its own; returns its path on all ranks.
static const char *make_store(const char *program) {
  static char folder[] = "/tmp/twotrack-update-XXXXXX";
  char command[8192];
  if (comm.rank == 0) {
    if (!mkdtemp(folder)) return NULL;
    snprintf(command, sizeof command, "'%s' %s/store 5000 20", program, folder);
    if (system(command) != 0) return NULL;
  }
  tt_comm_broadcast(&comm, folder, sizeof folder, 0);
  return folder;
}

int main(int argc, char **argv) {
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  char path[64], command[128];
  const char *folder = argc == 3 ? make_store(argv[2]) : NULL;
  if (!folder) return fprintf(stderr, "update_test CONFIG MAKE_STORE\n"), MPI_Abort(comm.mpi, 1);
  snprintf(path, sizeof path, "%s/store", folder);
  int count = sizeof settings / sizeof *settings;
  if (tt_config_load(&config, argv[1], settings, count) != TT_OK || tt_store_open(&store, path) != TT_OK)
    return fprintf(stderr, "%s\n", tt_error_message()), MPI_Abort(comm.mpi, 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(sends_what_is_planned_in_every_layout),
                                     cmocka_unit_test(evaluation_sends_no_gradients),
                                     cmocka_unit_test(a_rank_fails_on_the_way)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  tt_store_close(store);
  snprintf(command, sizeof command, "rm -r %s", folder);
  if (comm.rank == 0 && system(command) != 0) failed = 1;
  if (failed) MPI_Abort(comm.mpi, 1); // the others may be waiting for this rank
  tt_config_free(&config);
  tt_comm_finish(&comm);
  return 0;
}
