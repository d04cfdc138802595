// One step of small models of odd shapes, on every set of CPU kernels that this machine has, against the
// reference backend: single operations are checked by bench ops, here their order, their buffers and the
// dropout's names are.
//
// Every model first makes the step with weights that are no numbers, so that whatever a pass reads before it
// wrote it, in activations or scratch, shows. Then, by bits: the same step when the backward computes pair
// tracks again, and each molecule's losses alone and among others.
//
// TT_TEST_LONG: many more models.
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
#include "length.h"

enum { MOST = 4, SHORT_RUN = 16, LONG_RUN = 300 };

// Limits of the differences from the reference backend. A loss: of 1 + its size. A tensor's gradient: the
// length of the difference, of its own length and of the whole gradient's, added. 400 models in fp32 had at
// most 4e-6, and 9e-4 of its own; the worst have rows of two to four channels, whose LayerNorm magnifies
// rounding. Operands in bf16 turned the gradients of some around: of those it must only be a number (bench
// ops checks them, one operation at a time). Their losses had at most 0.11.
typedef struct {
  const char *kernels;
  double loss, own, whole;
} limits;
#define FP32 1e-5, 1e-3, 2e-4
#define BF16 0.2, 1e9, 1e9
static const limits all_kernels[] = {{"v4", FP32},          {"v3", FP32},         {"base", FP32},
                                     {"v4-native", BF16},   {"v4-rounded", BF16}, {"v3-rounded", BF16},
                                     {"base-rounded", BF16}};

typedef struct {
  uint64_t seed;
  tt_model_config model;
  int sizes[MOST], molecules, scaling;
  double mask;
} config;

#define ONE_OF(r, type, ...)                                                                                 \
  ((const type[]){__VA_ARGS__}[random_below(r, sizeof((const type[]){__VA_ARGS__}) / sizeof(type))])
#define RATE(r) ONE_OF(r, double, 0, 0, 0.1, 0.5, 0.99, 1e-6)

static config config_make(uint64_t seed) {
  random_source r = {.key = seed};
  config c = {.seed = seed, .molecules = 1 + (int)random_below(&r, MOST)};
  tt_model_config *m = &c.model;
  m->layers = ONE_OF(&r, int, 1, 2, 3);
  m->heads = ONE_OF(&r, int, 1, 2, 3, 5, 16, 17);
  m->embed_dim =
      m->heads * (m->heads > 5 ? ONE_OF(&r, int, 1, 2, 3) : ONE_OF(&r, int, 1, 2, 3, 8, 15, 16, 33));
  m->ffn_dim = m->embed_dim * ONE_OF(&r, int, 1, 1, 2, 4);
  m->pair_dim = ONE_OF(&r, int, 1, 2, 3, 7, 8, 15, 16, 17, 31, 48, 63, 64, 65, 129, 130);
  m->pair_hidden = ONE_OF(&r, int, 1, 2, 3, 5, 8, 15, 16, 17, 20);
  m->dropout = RATE(&r), m->attention_dropout = RATE(&r), m->activation_dropout = RATE(&r);
  m->pair_dropout = RATE(&r), m->movement_dropout = RATE(&r);
  for (int k = 0; k < c.molecules; k++) c.sizes[k] = ONE_OF(&r, int, 1, 1, 2, 3, 5, 7, 8, 14, 15, 16, 17, 22);
  c.mask = ONE_OF(&r, double, 0, 0.15, 1);
  c.scaling = ONE_OF(&r, int, TT_SCALING_MOLECULE, TT_SCALING_BATCH);
  return c;
}

// The molecules that `order` names, `count` of them.
static tt_batch batch_make(const config *c, const int32_t *order, int count) {
  tt_sample samples[MOST] = {{0}}, *pointers[MOST];
  uint64_t numbers[MOST];
  int32_t index[MOST];
  int longest = 0;
  tt_batch batch = {0};
  tt_data_config data = random_data_config();
  data.mask_probability = c->mask;
  for (int k = 0; k < c->molecules; k++) {
    random_molecule molecule;
    random_molecule_make(&molecule, (uint32_t)c->sizes[k], c->seed + (uint64_t)k);
    assert_int_equal(tt_sample_make(&samples[k], &molecule.molecule, &data, 5, 0, (uint64_t)k), TT_OK);
    pointers[k] = &samples[k], index[k] = k, numbers[k] = 40 + (uint64_t)k;
    if (c->sizes[k] > longest) longest = c->sizes[k];
  }
  assert_int_equal(
      tt_batch_pack(&batch, pointers, order, count, numbers, index, c->scaling, tt_padded_length(longest)),
      TT_OK);
  for (int k = 0; k < c->molecules; k++) tt_sample_free(&samples[k]);
  return batch;
}

static void *zeros(int64_t count, size_t size) {
  void *p = calloc((size_t)count + 1, size);
  assert_non_null(p);
  return p;
}

// Large enough that every path matters: see gradient_test.c
static float *weights_make(const tt_parameters *parameters, uint64_t seed) {
  random_source r = {.key = seed ^ 77};
  float *w = zeros(parameters->total, sizeof *w);
  for (int k = 0; k < parameters->count; k++) {
    const tt_parameter *p = &parameters->list[k];
    double scale = p->dims == 2 && p->shape[1] > 1 ? 1.2 / sqrt(p->shape[1]) : 0.3;
    for (int64_t i = 0; i < p->count; i++)
      w[p->offset + i] = (float)((p->init == TT_INIT_ONE) + scale * (2 * random_number(&r) - 1));
  }
  return w;
}

// What a step, or an evaluation, makes: losses of all tokens, then of positions, then of distances.
typedef struct {
  float *gradient;
  double *loss;
  int64_t parameters, losses;
} result;

static result result_make(int64_t parameters, const tt_batch *b) {
  int64_t losses = b->masked + 2 * b->molecules;
  return (result){zeros(parameters, sizeof(float)), zeros(losses, sizeof(double)), parameters, losses};
}
static void result_free(result *r) {
  free(r->gradient), free(r->loss);
}
static tt_piece_losses parts_of(const result *r, const tt_batch *b) {
  return (tt_piece_losses){r->loss, r->loss + b->masked, r->loss + b->masked + b->molecules};
}

static void step(tt_model *m, const float *w, const tt_batch *b, result *r) {
  double molecule = 1.0 / b->molecules;
  tt_loss_scale scale = {b->masked ? 1.0 / (double)b->masked : 0, molecule, molecule};
  tt_piece_losses parts = parts_of(r, b);
  memset(r->gradient, 0, (size_t)r->parameters * sizeof *r->gradient);
  tt_piece piece = tt_piece_alone(b);
  assert_int_equal(tt_model_train(m, w, &piece, 3, 9, &scale, r->gradient, &parts), TT_OK);
}

static tt_model *model_make(const config *c, const tt_ops *ops) {
  tt_model *m;
  assert_int_equal(tt_model_create(&m, &c->model, ops, NULL), TT_OK);
  return m;
}

// A step by a new model whose buffers a pass without numbers has filled.
static result trained(const config *c, const tt_ops *ops, bool recompute, const float *w, const tt_batch *b) {
  tt_model *m = model_make(c, ops);
  int64_t count = tt_model_parameters(m)->total;
  result r = result_make(count, b);
  float *none = zeros(count, sizeof *none);
  for (int64_t i = 0; i < count; i++) none[i] = NAN;
  tt_model_set_recompute(m, recompute);
  step(m, none, b, &r);
  step(m, w, b, &r);
  tt_model_free(m);
  free(none);
  return r;
}

static void near(const config *c, const limits *limit, const tt_parameters *parameters, const result *ours,
                 const result *reference) {
  double whole = length_of(reference->gradient, NULL, parameters->total);
  for (int k = 0; k < parameters->count; k++) {
    const tt_parameter *p = &parameters->list[k];
    const float *expected = reference->gradient + p->offset;
    double error = length_of(ours->gradient + p->offset, expected, p->count);
    double size = length_of(expected, NULL, p->count);
    if (!(error <= limit->own * size + limit->whole * whole))
      fail_msg("model %d, %s: gradient of %s is %g away from one of length %g (all: %g)", (int)c->seed,
               limit->kernels, p->name, error, size, whole);
  }
  for (int64_t i = 0; i < ours->losses; i++)
    if (!(fabs(ours->loss[i] - reference->loss[i]) <= limit->loss * (1 + fabs(reference->loss[i]))))
      fail_msg("model %d, %s: loss %d is %g, not %g", (int)c->seed, limit->kernels, (int)i, ours->loss[i],
               reference->loss[i]);
}

static void same(const config *c, const char *kernels, const char *what, const void *a, const void *b,
                 size_t bytes) {
  if (memcmp(a, b, bytes) != 0) fail_msg("model %d, %s: other bits when %s", (int)c->seed, kernels, what);
}

static void alone_and_together(const config *c, const char *kernels, const float *w, const tt_batch *b) {
  tt_model *m = model_make(c, tt_ops_cpu_for(kernels));
  result all = result_make(0, b);
  tt_piece_losses parts = parts_of(&all, b);
  const double *token = parts.token;
  tt_piece together = tt_piece_alone(b);
  assert_int_equal(tt_model_evaluate(m, w, &together, &parts), TT_OK);
  for (int32_t k = 0; k < b->molecules; k++) {
    tt_batch single = batch_make(c, &k, 1);
    result one = result_make(0, &single);
    tt_piece_losses its = parts_of(&one, &single);
    tt_piece alone = tt_piece_alone(&single);
    assert_int_equal(tt_model_evaluate(m, w, &alone, &its), TT_OK);
    same(c, kernels, "a molecule is alone", its.token, token, (size_t)single.masked * sizeof *token);
    same(c, kernels, "a molecule is alone", its.position, parts.position + k, sizeof *token);
    same(c, kernels, "a molecule is alone", its.distance, parts.distance + k, sizeof *token);
    token += single.masked;
    result_free(&one), tt_batch_free(&single);
  }
  result_free(&all), tt_model_free(m);
}

static void one_model(uint64_t seed) {
  static const int32_t as_given[MOST] = {0, 1, 2, 3};
  config c = config_make(seed);
  tt_batch batch = batch_make(&c, as_given, c.molecules);
  tt_model *m = model_make(&c, tt_ops_reference()); // for its table of parameters
  const tt_parameters *parameters = tt_model_parameters(m);
  float *w = weights_make(parameters, seed);
  result reference = trained(&c, tt_ops_reference(), false, w, &batch);
  for (size_t k = 0; k < sizeof all_kernels / sizeof *all_kernels; k++) {
    const limits *limit = &all_kernels[k];
    const tt_ops *ops = tt_ops_cpu_for(limit->kernels);
    if (ops == NULL) continue; // not on this machine
    result kept = trained(&c, ops, false, w, &batch), again = trained(&c, ops, true, w, &batch);
    near(&c, limit, parameters, &kept, &reference);
    same(&c, limit->kernels, "the pair track is computed again", kept.gradient, again.gradient,
         (size_t)kept.parameters * sizeof(float));
    same(&c, limit->kernels, "the pair track is computed again", kept.loss, again.loss,
         (size_t)kept.losses * sizeof(double));
    alone_and_together(&c, limit->kernels, w, &batch);
    result_free(&kept), result_free(&again);
  }
  result_free(&reference), free(w);
  tt_model_free(m), tt_batch_free(&batch);
}

static void odd_models(void **state) {
  (void)state;
  int count = getenv("TT_TEST_LONG") != NULL ? LONG_RUN : SHORT_RUN;
  for (int k = 0; k < count; k++) one_model((uint64_t)k);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(odd_models)};
  return cmocka_run_group_tests_name("agreement with the reference backend", tests, NULL, NULL);
}
