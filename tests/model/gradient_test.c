// The gradient of the whole model, dropout on, against central differences of its losses.
//
// One tensor at a time is moved along two directions: its own gradient, and a random one. Each loss term is
// checked by itself, so that no term hides in another's size.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../batch/random_molecule.h"
#include "model/model.h"

enum { MOLECULES = 4, SEED = 11, STEP = 3 };
#define TOLERANCE 0.02 // of a tensor's gradient: fp32 losses and steps leave up to 0.01
#define MEASURED 60 // tensors at least, of 111: the last layer's pair track, say, cannot reach the token loss

static const int sizes[MOLECULES] = {1, 2, 7, 13};

typedef struct {
  tt_model *model;
  const tt_parameters *parameters;
  tt_batch batch;
  float *weights, *gradient, *direction, *unused;
  double token[64], position[MOLECULES], distance[MOLECULES];
} fixture;

static void make_batch(fixture *f) {
  tt_sample samples[MOLECULES] = {{0}}, *pointers[MOLECULES];
  int32_t order[MOLECULES];
  uint64_t numbers[MOLECULES];
  tt_data_config data = random_data_config();
  data.mask_probability = 0.5;
  for (int k = 0; k < MOLECULES; k++) {
    random_molecule molecule;
    random_molecule_make(&molecule, (uint32_t)sizes[k], 100 + (uint64_t)k);
    assert_int_equal(tt_sample_make(&samples[k], &molecule.molecule, &data, 5, 0, (uint64_t)k), TT_OK);
    pointers[k] = &samples[k], order[k] = k, numbers[k] = 40 + (uint64_t)k;
  }
  assert_int_equal(
      tt_batch_pack(&f->batch, pointers, order, MOLECULES, numbers, order, TT_SCALING_MOLECULE, 0), TT_OK);
  assert_in_range(f->batch.masked, 4, 64);
  for (int k = 0; k < MOLECULES; k++) tt_sample_free(&samples[k]);
}

// Weights large enough that every path matters: at their initial values most gradients drown in rounding.
static void make_weights(fixture *f) {
  random_source r = {.key = 77};
  for (int k = 0; k < f->parameters->count; k++) {
    const tt_parameter *p = &f->parameters->list[k];
    double scale = p->dims == 2 && p->shape[1] > 1 ? 1.2 / sqrt(p->shape[1]) : 0.3,
           centre = p->init == TT_INIT_ONE;
    for (int64_t i = 0; i < p->count; i++)
      f->weights[p->offset + i] = (float)(centre + scale * (2 * random_number(&r) - 1));
  }
}

static int setup(void **state) {
  const tt_model_config config = {.layers = 2,
                                  .embed_dim = 16,
                                  .heads = 2,
                                  .pair_dim = 12,
                                  .pair_hidden = 4,
                                  .ffn_dim = 32,
                                  .dropout = 0.2,
                                  .attention_dropout = 0.2,
                                  .activation_dropout = 0.1,
                                  .pair_dropout = 0.25,
                                  .movement_dropout = 0.2};
  fixture *f = calloc(1, sizeof *f);
  assert_int_equal(tt_model_create(&f->model, &config, tt_ops_cpu(TT_FP32), NULL), TT_OK);
  f->parameters = tt_model_parameters(f->model);
  size_t n = (size_t)f->parameters->total;
  f->weights = calloc(n, sizeof(float)), f->gradient = calloc(n, sizeof(float));
  f->direction = calloc(n, sizeof(float)), f->unused = calloc(n, sizeof(float));
  make_batch(f);
  make_weights(f);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  tt_batch_free(&f->batch);
  tt_model_free(f->model);
  free(f->weights), free(f->gradient), free(f->direction), free(f->unused), free(f);
  return 0;
}

static double loss(fixture *f, const tt_loss_scale *scale, float *gradient) {
  tt_piece_losses losses = {f->token, f->position, f->distance};
  tt_piece piece = tt_piece_alone(&f->batch);
  assert_int_equal(tt_model_train(f->model, f->weights, &piece, SEED, STEP, scale, gradient, &losses), TT_OK);
  double sum = 0;
  for (int64_t k = 0; k < f->batch.masked; k++) sum += scale->token * f->token[k];
  for (int k = 0; k < MOLECULES; k++)
    sum += scale->position * f->position[k] + scale->distance * f->distance[k];
  return sum;
}

static double norm(const float *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
  return sqrt(sum);
}

// Slope along `direction` (of tensor p), by a central difference of step h.
static double central_difference(fixture *f, const tt_parameter *p, const tt_loss_scale *scale, double h) {
  float *w = f->weights + p->offset, *d = f->direction + p->offset;
  float *kept = malloc((size_t)p->count * sizeof *kept);
  double value[2];
  memcpy(kept, w, (size_t)p->count * sizeof *kept);
  for (int side = 0; side < 2; side++) {
    for (int64_t i = 0; i < p->count; i++) w[i] = (float)(kept[i] + (side ? h : -h) * d[i]);
    value[side] = loss(f, scale, f->unused);
  }
  memcpy(w, kept, (size_t)p->count * sizeof *kept);
  free(kept);
  return (value[1] - value[0]) / (2 * h);
}

// The same without the difference's first error term (Richardson).
static double slope(fixture *f, const tt_parameter *p, const tt_loss_scale *scale, double h) {
  return (4 * central_difference(f, p, scale, h / 2) - central_difference(f, p, scale, h)) / 3;
}

static void check(void **state, tt_loss_scale scale) {
  fixture *f = *state;
  memset(f->gradient, 0, (size_t)f->parameters->total * sizeof(float));
  loss(f, &scale, f->gradient);
  double whole = norm(f->gradient, f->parameters->total), worst = 0;
  int checked = 0, failed = 0;
  random_source r = {.key = 5};
  for (int k = 0; k < f->parameters->count; k++) {
    const tt_parameter *p = &f->parameters->list[k];
    const float *g = f->gradient + p->offset;
    double size = norm(g, p->count);
    if (size < 1e-3 * whole) continue; // zero by construction, or too small to measure in fp32
    checked++;
    for (int kind = 0; kind < 2; kind++) {
      // random directions lie half along the gradient: else the slope of a large tensor would be lost in
      // rounding
      double mixed = 0;
      float *d = f->direction + p->offset;
      for (int64_t i = 0; i < p->count; i++)
        d[i] = (float)(g[i] / size + kind * (2 * random_number(&r) - 1) * sqrt(3.0 / (double)p->count));
      for (int64_t i = 0; i < p->count; i++) mixed += (double)g[i] * d[i];
      double h = fmin(2e-3 / size, 1e-2), measured = slope(f, p, &scale, h);
      double error = fabs(measured - mixed) / size;
      worst = fmax(worst, error);
      if (error > TOLERANCE)
        failed++, print_error("%s (%s): %g, by differences %g\n", p->name, kind ? "random" : "own", mixed,
                              measured);
    }
  }
  print_message("%d of %d tensors, worst %.2g\n", checked, f->parameters->count, worst);
  assert_true(checked > MEASURED);
  assert_int_equal(failed, 0);
}

static void token_gradient(void **state) {
  check(state, (tt_loss_scale){.token = 0.1});
}
static void position_gradient(void **state) {
  check(state, (tt_loss_scale){.position = 0.25});
}
static void distance_gradient(void **state) {
  check(state, (tt_loss_scale){.distance = 0.25});
}

// What a plan says of a piece is what the model takes for it, and recomputing takes less.
static void room_is_known_beforehand(void **state) {
  fixture *f = *state;
  const tt_model_config *config = tt_model_configuration(f->model);
  const tt_piece_sizes piece = {.tokens = f->batch.tokens,
                                .pairs = f->batch.pairs,
                                .atom_pairs = f->batch.atom_pairs,
                                .max_length = f->batch.max_length};
  tt_piece_room room, less;
  assert_int_equal(tt_model_room(config, tt_ops_cpu(TT_FP32), false, &piece, &room), TT_OK);
  loss(f, &(tt_loss_scale){.token = 1}, f->gradient);
  assert_int_equal((size_t)(room.buffers + room.scratch), tt_model_bytes(f->model));
  assert_int_equal(tt_model_room(config, tt_ops_cpu(TT_FP32), true, &piece, &less), TT_OK);
  assert_true(less.buffers < room.buffers);
  // on a device with 16-bit activations more than half: the embedding and the rows' statistics are fp32
  tt_ops halves = *tt_ops_cpu(TT_FP32);
  halves.device = true, halves.activation_size = 2;
  assert_int_equal(tt_model_room(config, &halves, false, &piece, &less), TT_OK);
  assert_true(less.buffers < room.buffers && 2 * less.buffers > room.buffers);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(token_gradient, setup, teardown),
      cmocka_unit_test_setup_teardown(position_gradient, setup, teardown),
      cmocka_unit_test_setup_teardown(distance_gradient, setup, teardown),
      cmocka_unit_test_setup_teardown(room_is_known_beforehand, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
