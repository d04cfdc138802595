// A step of a model whose ranks share each piece (a tensor group of all ranks of mpirun: 1, 2, 4), dropout
// on, against the same step of a rank alone: every loss, and the gradient of every parameter. Pieces are
// dealt to the ranks in several ways, some of which leave ranks without molecules or without masked atoms.
//
// Every model first makes the step with weights that are no numbers, so that whatever a pass reads before it
// wrote it shows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../batch/random_molecule.h"
#include "comm/comm.h"
#include "model/crossing.h"
#include "model/model.h"
#include "whole.h"
#include "length.h"

enum { MOLECULES = 6, RANKS = 4 };

// Of the length of a tensor's own gradient, and of the whole gradient's; and of losses. Seen: 8e-7 of its
// own.
static const double OWN = 1e-5, WHOLE = 1e-6, LOSS = 1e-6;

static tt_comm comm;

typedef struct {
  const char *name;
  tt_model_config model;
  double mask;
  bool recompute;
} test_model;

#define DROPOUT                                                                                              \
  .dropout = 0.2, .attention_dropout = 0.3, .activation_dropout = 0.25, .pair_dropout = 0.25,                \
  .movement_dropout = 0.2

static const test_model models[] = {
    {"narrow heads",
     {.layers = 2, .embed_dim = 32, .heads = 4, .pair_dim = 12, .pair_hidden = 4, .ffn_dim = 32, DROPOUT},
     0.5,
     false},
    {"wide feed-forward",
     {.layers = 2, .embed_dim = 96, .heads = 12, .pair_dim = 33, .pair_hidden = 7, .ffn_dim = 192, DROPOUT},
     0.15,
     true},
    {"heads that the ranks cannot share evenly",
     {.layers = 2, .embed_dim = 40, .heads = 5, .pair_dim = 9, .pair_hidden = 4, .ffn_dim = 160, DROPOUT},
     0.3,
     false},
    {"heads of one channel, few masked atoms",
     {.layers = 1, .embed_dim = 32, .heads = 32, .pair_dim = 8, .pair_hidden = 3, .ffn_dim = 64, DROPOUT},
     0.05,
     false},
};

static const int sizes[MOLECULES] = {1, 2, 7, 13, 16, 5};
static const int32_t as_made[MOLECULES] = {0, 1, 2, 3, 4, 5};

// Rank of each molecule, of four ranks; fewer take them modulo their number.
static const int deals[][MOLECULES] = {
    {0, 1, 2, 3, 0, 1}, {0, 0, 1, 1, 2, 3}, {3, 3, 3, 3, 3, 3}, {0, 2, 2, 0, 0, 2}, {1, 0, 3, 0, 1, 0}};

// What each rank has of the molecules, rank by rank.
typedef struct {
  int32_t order[MOLECULES], molecules[RANKS], first;
  tt_batch own, all;
} dealt;

static void pack(tt_batch *batch, const test_model *t, const int32_t *order, int count) {
  tt_sample samples[MOLECULES] = {{0}}, *pointers[MOLECULES];
  uint64_t numbers[MOLECULES];
  tt_data_config data = random_data_config();
  data.mask_probability = t->mask;
  for (int k = 0; k < MOLECULES; k++) {
    random_molecule molecule;
    random_molecule_make(&molecule, (uint32_t)sizes[k], 100 + (uint64_t)k);
    assert_int_equal(tt_sample_make(&samples[k], &molecule.molecule, &data, 5, 0, (uint64_t)k), TT_OK);
    pointers[k] = &samples[k], numbers[k] = 40 + (uint64_t)k;
  }
  assert_int_equal(tt_batch_pack(batch, pointers, order, count, numbers, as_made, TT_SCALING_BATCH, 20),
                   TT_OK);
  for (int k = 0; k < MOLECULES; k++) tt_sample_free(&samples[k]);
}

static void deal(dealt *d, const test_model *t, const int *rank_of) {
  *d = (dealt){0};
  int count = 0;
  for (int r = 0; r < comm.size; r++) {
    if (r == comm.rank) d->first = count;
    for (int32_t k = 0; k < MOLECULES; k++)
      if (rank_of[k] % comm.size == r) d->order[count++] = k, d->molecules[r]++;
  }
  pack(&d->own, t, d->order + d->first, d->molecules[comm.rank]);
  pack(&d->all, t, d->order, MOLECULES);
}

static void *zeros(int64_t count, size_t size) {
  void *p = calloc((size_t)count + 1, size);
  assert_non_null(p);
  return p;
}

// Large enough that every path matters: see gradient_test.c
static void weights_make(const tt_parameters *one, float *w) {
  random_source r = {.key = 77};
  for (int k = 0; k < one->count; k++) {
    const tt_parameter *p = &one->list[k];
    double scale = p->dims == 2 && p->shape[1] > 1 ? 1.2 / sqrt(p->shape[1]) : 0.3;
    for (int64_t i = 0; i < p->count; i++)
      w[p->offset + i] = (float)((p->init == TT_INIT_ONE) + scale * (2 * random_number(&r) - 1));
  }
}

// Losses of all tokens, then of positions, then of distances.
typedef struct {
  float *gradient;
  double *loss;
} result;

static void result_free(result *r) {
  free(r->gradient), free(r->loss);
}

static tt_piece_losses parts_of(double *loss, const tt_batch *b) {
  return (tt_piece_losses){loss, loss + b->masked, loss + b->masked + b->molecules};
}

static void step(tt_model *m, const float *w, const tt_piece *piece, const result *r) {
  const tt_batch *all = piece->all;
  tt_loss_scale scale = {all->masked ? 1.0 / (double)all->masked : 0, 1.0 / MOLECULES, 1.0 / MOLECULES};
  tt_piece_losses parts = parts_of(r->loss, piece->own);
  memset(r->gradient, 0, (size_t)tt_model_parameters(m)->total * sizeof *r->gradient);
  assert_int_equal(tt_model_train(m, w, piece, 3, 9, &scale, r->gradient, &parts), TT_OK);
}

static result trained(const test_model *t, const tt_comm *group, const tt_parameters *one, const float *whole,
                      const tt_piece *piece) {
  tt_model *m;
  assert_int_equal(tt_model_create(&m, &t->model, tt_ops_cpu(TT_FP32), group), TT_OK);
  tt_model_set_recompute(m, t->recompute);
  const tt_parameters *own = tt_model_parameters(m);
  float *w = zeros(own->total, sizeof *w);
  result r = {zeros(own->total, sizeof(float)),
              zeros(piece->own->masked + 2 * piece->own->molecules, sizeof(double))};
  for (int64_t i = 0; i < own->total; i++) w[i] = NAN;
  step(m, w, piece, &r);
  whole_share(own, one, whole, w);
  step(m, w, piece, &r);
  float *gradient = zeros(one->total, sizeof *gradient);
  whole_join(group ? group : &(tt_comm){MPI_COMM_NULL, 0, 1, NULL, NULL}, own, one, true, r.gradient, gradient);
  free(r.gradient), free(w);
  r.gradient = gradient;
  tt_model_free(m);
  return r;
}

static void near_gradients(const char *name, const tt_parameters *one, const float *got, const float *want) {
  double whole = length_of(want, NULL, one->total);
  for (int k = 0; k < one->count; k++) {
    const tt_parameter *p = &one->list[k];
    double error = length_of(got + p->offset, want + p->offset, p->count);
    double size = length_of(want + p->offset, NULL, p->count);
    if (!(error <= OWN * size + WHOLE * whole))
      fail_msg("%s: gradient of %s is %g away from one of length %g (all: %g)", name, p->name, error, size,
               whole);
  }
}

static void near_losses(const char *name, const double *got, const double *want, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (!(fabs(got[i] - want[i]) <= LOSS * (1 + fabs(want[i]))))
      fail_msg("%s: loss %d is %g, not %g", name, (int)i, got[i], want[i]);
}

static void near_own_losses(const char *name, const dealt *d, const double *got, double *want) {
  tt_piece_losses g = parts_of((double *)got, &d->own), w = parts_of(want, &d->all);
  int64_t masked = 0;
  for (int64_t k = 0; k < d->all.masked; k++)
    masked += d->all.token_molecule[d->all.masked_row[k]] < d->first; // those of ranks before
  near_losses(name, g.token, w.token + masked, d->own.masked);
  near_losses(name, g.position, w.position + d->first, d->own.molecules);
  near_losses(name, g.distance, w.distance + d->first, d->own.molecules);
}

// Bytes sent in a step, as this rank may compute them from the rows.
static void counted(const test_model *t, const dealt *d, int times) {
  int64_t rows = tt_crossing_tokens(&t->model, comm.size, d->own.tokens, d->all.tokens, true);
  if (t->model.heads % comm.size == 0) // else the function is not for them
    assert_int_equal(comm.traffic->sent[TT_TRAFFIC_BIAS],
                     times * tt_crossing_bias(&t->model, comm.size, d->own.pairs, d->all.pairs, true));
  assert_int_equal(comm.traffic->sent[TT_TRAFFIC_TOKENS], times * rows);
  memset(comm.traffic->sent, 0, sizeof comm.traffic->sent);
}

static void one_model(const test_model *t) {
  tt_parameters one;
  assert_int_equal(tt_parameters_build(&one, &t->model, 1, 0), TT_OK);
  float *weights = zeros(one.total, sizeof *weights);
  weights_make(&one, weights);
  for (size_t k = 0; k < sizeof deals / sizeof *deals; k++) {
    char name[96];
    snprintf(name, sizeof name, "%s, deal %d", t->name, (int)k);
    dealt d;
    deal(&d, t, deals[k]);
    tt_piece alone = tt_piece_alone(&d.all);
    tt_piece together = {&d.own, comm.size > 1 ? &d.all : &d.own, d.molecules};
    result expected = trained(t, NULL, &one, weights, &alone);
    result got = trained(t, &comm, &one, weights, &together);
    counted(t, &d, 2);
    near_own_losses(name, &d, got.loss, expected.loss);
    near_gradients(name, &one, got.gradient, expected.gradient);
    result_free(&expected), result_free(&got);
    tt_batch_free(&d.own), tt_batch_free(&d.all);
  }
  free(weights);
  tt_parameters_free(&one);
}

static void steps_of_a_group(void **state) {
  (void)state;
  const char *ranks = getenv("TT_TEST_RANKS");
  if (ranks) assert_int_equal(comm.size, atoi(ranks));
  for (size_t k = 0; k < sizeof models / sizeof *models; k++) one_model(&models[k]);
}

// Fewer heads than ranks; hidden channels that would be dropped by other numbers than those of a rank alone.
static void refuses(void **state) {
  (void)state;
  tt_model *m;
  tt_model_config few = models[0].model, odd = models[0].model;
  few.heads = 1;
  odd.embed_dim = odd.ffn_dim = 4 * comm.size;
  if (comm.size == 1) return;
  assert_int_equal(tt_model_create(&m, &few, tt_ops_cpu(TT_FP32), &comm), TT_ERR_CONFIG);
  assert_null(m);
  assert_int_equal(tt_model_create(&m, &odd, tt_ops_cpu(TT_FP32), &comm), TT_ERR_CONFIG);
  assert_null(m);
}

int main(void) {
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(steps_of_a_group), cmocka_unit_test(refuses)};
  int failed = cmocka_run_group_tests_name("tensor groups", tests, NULL, NULL);
  if (failed) MPI_Abort(comm.mpi, 1); // the others may be waiting for this rank
  tt_comm_finish(&comm);
  return 0;
}
