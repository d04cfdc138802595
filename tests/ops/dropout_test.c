// Dropout masks are the words that src/device/ops.h names, whatever the packing; forward and backward agree.
#include "group.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const tt_dropout quarter = {.probability = 0.25, .seed = 11, .step = 5, .layer = 3, .site = 2};
static const tt_dropout none = {.probability = 0, .seed = 11, .step = 5, .layer = 3, .site = 2};

static int64_t row_count(const tt_batch *b, tt_rows rows) {
  return rows == TT_ROWS_TOKENS ? b->tokens : b->pairs;
}

// The factor of channel e of a row of molecule m (row counted inside the molecule).
static double factor(const tt_batch *b, tt_rows rows, const tt_dropout *d, int m, int row, int e) {
  uint32_t length = (uint32_t)b->length[m], i = (uint32_t)row / length, j = (uint32_t)row % length;
  if (rows == TT_ROWS_TOKENS) return mask_factor(d, b->sample[m], (uint32_t)row, 0, e);
  return mask_factor(d, b->sample[m], rows == TT_ROWS_PAIRS ? i : 0, j, e);
}

// Calls visit-like code for every element: expected values of `out` are compared with mask * in + base.
static void expect(const tt_batch *b, tt_rows rows, const tt_dropout *d, int dim, const float *in, float base,
                   const float *out) {
  for (int m = 0; m < b->molecules; m++) {
    int count = rows == TT_ROWS_TOKENS ? b->length[m] : b->length[m] * b->length[m];
    int64_t first = rows == TT_ROWS_TOKENS ? b->token_offset[m] : b->pair_offset[m];
    for (int r = 0; r < count; r++)
      for (int e = 0; e < dim; e++) {
        int64_t at = (first + r) * dim + e;
        double expected = factor(b, rows, d, m, r, e) * in[at] + base;
        if (!(fabs(out[at] - expected) <= 1e-6 * (1 + fabs(expected))))
          fail_msg("kind %d, molecule %d, row %d, channel %d: %g, not %g", rows, m, r, e, out[at], expected);
      }
  }
}

static void words(void **state) {
  (void)state;
  const int dims[] = {5, 8, 11, 21, 64, 1040}; // 1040 channels are more blocks than one tile
  for (int rows = TT_ROWS_TOKENS; rows <= TT_ROWS_PAIRS_SHARED; rows++)
    for (int k = 0; k < 6; k++) {
      int64_t count = row_count(&batch, rows) * dims[k];
      float *in = array_random(count, 0.5, 1), *out = array_new(count, NAN), *sum = array_new(count, 2);
      ops->dropout(&batch, rows, &quarter, dims[k], in, out, false);
      expect(&batch, rows, &quarter, dims[k], in, 0, out);
      ops->dropout(&batch, rows, &quarter, dims[k], in, sum, true);
      expect(&batch, rows, &quarter, dims[k], in, 2, sum);
      ops->dropout(&batch, rows, &quarter, dims[k], in, in, false); // in place
      assert_memory_equal(in, out, (size_t)count * sizeof *in);
      arrays_free();
    }
}

static void identity(void **state) {
  (void)state;
  int64_t count = batch.pairs * 11;
  float *in = array_random(count, -1, 1), *out = array_new(count, NAN), *sum = array_new(count, 2);
  ops->dropout(&batch, TT_ROWS_PAIRS, &none, 11, in, out, false);
  assert_memory_equal(in, out, (size_t)count * sizeof *in);
  ops->dropout(&batch, TT_ROWS_PAIRS, &none, 11, in, sum, true);
  for (int64_t e = 0; e < count; e++) assert_true(sum[e] == 2 + in[e]);
}

static void rate(void **state) {
  (void)state;
  const int dim = 512;
  for (int k = 1; k < 4; k++) {
    tt_dropout d = {.probability = 0.1 * k, .seed = 3, .step = (uint64_t)k};
    int64_t count = batch.pairs * dim, kept = 0;
    float *in = array_new(count, 1), *out = array_new(count, NAN);
    ops->dropout(&batch, TT_ROWS_PAIRS, &d, dim, in, out, false);
    for (int64_t e = 0; e < count; e++) kept += out[e] != 0;
    double expected = (1 - d.probability) * (double)count, spread = sqrt(expected * d.probability);
    assert_true(fabs((double)kept - expected) < 4 * spread + 1e-5 * (double)count);
    arrays_free();
  }
}

// The same molecules in another order: each keeps its mask.
static void packing(void **state) {
  (void)state;
  const int32_t order[5] = {3, 0, 4, 2, 1};
  const int dim = 21;
  tt_batch other;
  batch_make(&other, odd_atoms, 5, order);
  for (int rows = TT_ROWS_TOKENS; rows <= TT_ROWS_PAIRS_SHARED; rows++) {
    int64_t count = row_count(&batch, rows) * dim;
    float *ones = array_new(count, 1), *a = array_new(count, NAN), *b = array_new(count, NAN);
    ops->dropout(&batch, rows, &quarter, dim, ones, a, false);
    ops->dropout(&other, rows, &quarter, dim, ones, b, false);
    for (int m = 0; m < 5; m++) {
      int from = order[m];
      int64_t at = rows == TT_ROWS_TOKENS ? batch.token_offset[from] : batch.pair_offset[from];
      int64_t to = rows == TT_ROWS_TOKENS ? other.token_offset[m] : other.pair_offset[m];
      int64_t size = (rows == TT_ROWS_TOKENS ? other.token_offset[m + 1] : other.pair_offset[m + 1]) - to;
      assert_int_equal(batch.sample[from], other.sample[m]);
      assert_memory_equal(a + at * dim, b + to * dim, (size_t)(size * dim) * sizeof *a);
    }
  }
  tt_batch_free(&other);
}

static void gate_formula(const check *c) {
  int dim = c->shape[0];
  for (int m = 0; m < c->batch->molecules; m++)
    for (int r = 0; r < c->batch->length[m] * c->batch->length[m]; r++)
      for (int e = 0; e < dim; e++) {
        int64_t at = (c->batch->pair_offset[m] + r) * dim + e;
        c->out[0].v[at] =
            factor(c->batch, TT_ROWS_PAIRS_SHARED, c->dropout, m, r, e) * c->in[0].v[at] * c->in[1].v[at];
      }
}

static void gate(void **state) {
  (void)state;
  const int dims[] = {11, 64};
  for (int k = 0; k < 4; k++) {
    int dim = dims[k % 2];
    const tt_dropout *d = k < 2 ? &quarter : &none;
    int64_t count = batch.pairs * dim;
    size_t bytes = (size_t)count * sizeof(float);
    float *g = array_random(count, -1, 1), *u = array_random(count, -1, 1), *pair = array_new(count, 0);
    float *seed = array_random(count, -1, 1), *dg = array_new(count, NAN), *du = array_new(count, NAN);
    check c = {.name = "gate", .batch = &batch, .dropout = d, .shape = {dim}, .formula = gate_formula};
    check_input(&c, g, count);
    check_input(&c, u, count);
    check_output(&c, count);
    ops->gate_add(&batch, d, dim, g, u, pair);
    check_forward(&c, 0, pair, 1e-6);
    ops->gate_add(&batch, d, dim, g, u, pair); // adds
    for (int64_t e = 0; e < count; e++) assert_true(fabs(pair[e] - 2 * c.out[0].v[e]) < 1e-6);
    ops->gate_backward(&batch, d, dim, seed, g, u, dg, du);
    const float *seeds[] = {seed};
    check_gradient(&c, 0, seeds, dg, 0, 25, 1e-6);
    check_gradient(&c, 1, seeds, du, 0, 25, 1e-6);
    ops->gate_backward(&batch, d, dim, seed, g, u, g, u); // in place
    assert_memory_equal(g, dg, bytes);
    assert_memory_equal(u, du, bytes);
    check_free(&c);
    arrays_free();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      GROUP_TEST(words), GROUP_TEST(identity), GROUP_TEST(rate), GROUP_TEST(packing), GROUP_TEST(gate),
  };
  return cmocka_run_group_tests_name("dropout", tests, NULL, NULL);
}
