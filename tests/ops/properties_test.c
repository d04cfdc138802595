// What comparing single results with the reference backend cannot show (twotrack bench ops does that): the
// functions under the CPU's kernels over their whole range, rates of dropout, masks in another packing, and
// a decay too small for one weight.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/vector.h"
#include "five.h"

static void functions(void **state) {
  (void)state;
  double worst_exp = 0, worst_sigmoid = 0, worst_normal = 0, worst_tail = 0;
  for (double x = -87.3; x < 88; x += 1.0 / 512) {
    float at = (float)x, density, distribution;
    worst_exp = fmax(worst_exp, fabs(tt_expf(at) / exp(at) - 1));
    worst_sigmoid = fmax(worst_sigmoid, fabs(tt_sigmoid(at) * (1 + exp(-(double)at)) - 1));
    tt_normal(at, &density, &distribution);
    double exact = 0.5 * erfc(-at / sqrt(2));
    worst_normal = fmax(worst_normal, fabs(distribution - exact));
    if (at > -6) worst_tail = fmax(worst_tail, fabs(distribution / exact - 1));
  }
  assert_true(worst_exp < 1.5e-7);
  assert_true(worst_sigmoid < 3e-7);
  assert_true(worst_normal < 2e-7);
  assert_true(worst_tail < 2e-6);
  assert_true(tt_expf(-INFINITY) == 0 && tt_expf(-100) == 0 && tt_expf(0) == 1 && tt_expf(100) == INFINITY);
  assert_true(isnan(tt_expf(NAN)) && isnan(tt_gelu(NAN)) && isnan(tt_sigmoid(NAN)));
  assert_true(tt_sigmoid(-100) == 0 && tt_sigmoid(100) == 1);
  assert_true(tt_gelu(0) == 0 && tt_gelu(50) == 50 && tt_gelu(-50) == 0);
}

// The dropout factors of all rows: dropout of a map whose weights are 0 and whose biases (and gates) are 1.
static float *masks(const tt_ops *ops, const tt_batch *batch, tt_rows kind, tt_dropout dropout, int dim) {
  int64_t rows = kind == TT_ROWS_TOKENS ? batch->tokens : batch->pairs;
  const tt_sizes sizes = {.length = batch->max_length,
                          .heads = 1,
                          .embed_dim = dim,
                          .ffn_dim = dim,
                          .pair_dim = dim,
                          .pair_hidden = 1,
                          .tokens = rows,
                          .pairs = rows};
  const tt_drop drop = {batch, kind, dropout};
  float *x = array(rows, 0), *w = array(dim, 0), *b = array(dim, 1), *out = array(rows * dim, NAN);
  float *scratch = scratch_for(ops, &sizes);
  if (kind == TT_ROWS_PAIRS_SHARED) {
    float *gate = array(rows * dim, 1), *statistics = array(2 * rows, NAN);
    ops->triangle_out(&drop, 1, dim, x, (tt_weights){b, b}, (tt_statistics){statistics, statistics + rows},
                      (tt_weights){w, b}, gate, NULL, out, scratch);
    free(gate), free(statistics);
  } else {
    ops->linear_residual(&drop, x, rows, 1, dim, (tt_weights){w, b}, NULL, out, scratch);
  }
  free(x), free(w), free(b), free(scratch);
  return out;
}

static void rate(void **state) {
  const tt_ops *backends[] = {tt_ops_cpu(TT_FP32), tt_ops_reference()};
  (void)state;
  tt_batch batch;
  pack(&batch, as_given);
  for (int k = 1; k < 4; k++)
    for (int b = 0; b < 2; b++) {
      tt_dropout d = {.probability = 0.1 * k, .seed = 3, .step = (uint64_t)k};
      int64_t count = batch.pairs * 512, kept = 0;
      float *mask = masks(backends[b], &batch, TT_ROWS_PAIRS, d, 512);
      for (int64_t e = 0; e < count; e++) kept += mask[e] != 0;
      double expected = (1 - d.probability) * (double)count, spread = sqrt(expected * d.probability);
      assert_true(fabs((double)kept - expected) < 4 * spread + 1e-5 * (double)count);
      free(mask);
    }
  tt_batch_free(&batch);
}

// The same molecules in another order: each keeps its mask.
static void packing(void **state) {
  (void)state;
  const int32_t order[5] = {3, 0, 4, 2, 1};
  const int dim = 21;
  const tt_dropout d = {.probability = 0.25, .seed = 11, .step = 5, .layer = 3, .site = 2};
  tt_batch batch, other;
  pack(&batch, as_given), pack(&other, order);
  for (int kind = TT_ROWS_TOKENS; kind <= TT_ROWS_PAIRS_SHARED; kind++) {
    float *a = masks(tt_ops_cpu(TT_FP32), &batch, kind, d, dim),
          *b = masks(tt_ops_cpu(TT_FP32), &other, kind, d, dim);
    const int64_t *from = kind == TT_ROWS_TOKENS ? batch.token_offset : batch.pair_offset;
    const int64_t *to = kind == TT_ROWS_TOKENS ? other.token_offset : other.pair_offset;
    for (int m = 0; m < 5; m++) {
      int64_t rows = to[m + 1] - to[m];
      assert_int_equal(rows, from[order[m] + 1] - from[order[m]]);
      assert_memory_equal(a + from[order[m]] * dim, b + to[m] * dim, (size_t)(rows * dim) * sizeof *a);
    }
    free(a), free(b);
  }
  tt_batch_free(&batch), tt_batch_free(&other);
}

// A decay of 1e-8 (the paper's peak rate 1e-4 times 1e-4) is lost on a single weight, but must act on the
// mean of many.
static void adam_small_decay(void **state) {
  (void)state;
  enum { N = 100000 };
  const float decay = 1e-8f;
  double shrunk = 0;
  for (int with = 0; with < 2; with++) {
    float *w = array(N, 0), *g = array(N, 0), *m = array(N, 0), *v = array(N, 1);
    uint8_t *decayed = malloc(N);
    assert_non_null(decayed);
    memset(decayed, with, N);
    for (int i = 0; i < N; i++) { // updates of about 1e-4, all different
      w[i] = 0.5f + (float)i / N;
      m[i] = (float)((i * 7919) % N) / N - 0.5f;
    }
    tt_ops_cpu(TT_FP32)->adam(N, w, g, m, v, decayed, 1, 1e-4f, decay, 0.9f, 0.99f, 1e-6f);
    for (int i = 0; i < N; i++) shrunk += (with ? -1 : 1) * (double)w[i] / N;
    free(w), free(g), free(m), free(v), free(decayed);
  }
  assert_true(fabs(shrunk / decay - 1) < 0.1); // the mean weight is 1
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(functions), cmocka_unit_test(rate),
                                     cmocka_unit_test(packing), cmocka_unit_test(adam_small_decay)};
  return cmocka_run_group_tests_name("properties of operations", tests, NULL, NULL);
}
