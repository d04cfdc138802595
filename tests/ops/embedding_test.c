// Embedding tables, the Gaussian expansion, and the rows of real atom pairs.
#include "group.h"

#include <math.h>
#include <string.h>

enum { DIM = 11 };

static void tokens_formula(const check *c) {
  const tt_batch *b = c->batch;
  int dim = c->shape[0];
  for (int64_t t = 0; t < b->tokens; t++) {
    bool is_virtual = t == b->token_offset[b->token_molecule[t]];
    for (int e = 0; e < dim; e++) {
      double sum =
          is_virtual ? c->in[3].v[e] : c->in[0].v[b->token[t] * dim + e] + c->in[2].v[b->degree[t] * dim + e];
      for (int k = 0; k < TT_ATOM_INPUTS && !is_virtual; k++)
        sum += c->in[1].v[b->atom_input[t * TT_ATOM_INPUTS + k] * dim + e];
      c->out[0].v[t * dim + e] = sum;
    }
  }
}

static void tokens(void **state) {
  (void)state;
  const int64_t rows[4] = {128, 512, 128, 1};
  float *table[4], *gradient[4], *x = array_new(batch.tokens * DIM, NAN);
  float *dx = array_random(batch.tokens * DIM, -1, 1);
  check c = {.name = "embed_tokens", .batch = &batch, .shape = {DIM}, .formula = tokens_formula};
  for (int k = 0; k < 4; k++) {
    table[k] = array_random(rows[k] * DIM, -1, 1), gradient[k] = array_new(rows[k] * DIM, 0.5f);
    check_input(&c, table[k], rows[k] * DIM);
  }
  check_output(&c, batch.tokens * DIM);
  ops->embed_tokens(&batch, DIM, table[0], table[1], table[2], table[3], x);
  check_forward(&c, 0, x, 1e-6);
  ops->embed_tokens_backward(&batch, DIM, dx, gradient[0], gradient[1], gradient[2], gradient[3]);
  const float *seeds[] = {dx};
  for (int k = 0; k < 4; k++) check_gradient(&c, k, seeds, gradient[k], 0.5, k == 1 ? 3000 : 1500, 2e-6);
  check_free(&c);
}

static void pairs_formula(const check *c) {
  const tt_batch *b = c->batch;
  int dim = c->shape[0];
  for (int m = 0; m < b->molecules; m++)
    for (int r = 0; r < b->length[m] * b->length[m]; r++) {
      int64_t row = b->pair_offset[m] + r;
      bool is_virtual = r < b->length[m] || r % b->length[m] == 0;
      for (int e = 0; e < dim; e++) {
        double sum = is_virtual ? c->in[2].v[e] : c->in[0].v[b->path[row] * dim + e];
        for (int k = 0; k < 3 && !is_virtual; k++) sum += c->in[1].v[b->edge[row * 3 + k] * dim + e] / 3;
        c->out[0].v[row * dim + e] = sum;
      }
    }
}

static void pairs(void **state) {
  (void)state;
  const int64_t rows[3] = {512, 64, 1};
  float *table[3], *gradient[3], *x = array_new(batch.pairs * DIM, NAN);
  float *dx = array_random(batch.pairs * DIM, -1, 1);
  check c = {.name = "embed_pairs", .batch = &batch, .shape = {DIM}, .formula = pairs_formula};
  for (int k = 0; k < 3; k++) {
    table[k] = array_random(rows[k] * DIM, -1, 1), gradient[k] = array_new(rows[k] * DIM, 0.5f);
    check_input(&c, table[k], rows[k] * DIM);
  }
  check_output(&c, batch.pairs * DIM);
  ops->embed_pairs(&batch, DIM, table[0], table[1], table[2], x);
  check_forward(&c, 0, x, 1e-6);
  ops->embed_pairs_backward(&batch, DIM, dx, gradient[0], gradient[1], gradient[2]);
  const float *seeds[] = {dx};
  for (int k = 0; k < 3; k++) check_gradient(&c, k, seeds, gradient[k], 0.5, 800, 5e-6);
  check_free(&c);
}

// number: std; inputs mul, bias; the centres are linspace(0, 9)
static void gaussian_formula(const check *c) {
  const tt_batch *b = c->batch;
  double *g = c->out[0].v, std = c->number;
  for (int m = 0; m < b->molecules; m++)
    for (int64_t i = b->token_offset[m] + 1; i < b->token_offset[m + 1]; i++)
      for (int64_t j = b->token_offset[m] + 1; j < b->token_offset[m + 1]; j++) {
        int t0 = b->pair_class[i] + 1, t1 = b->pair_class[j] + 129;
        double r2 = 0;
        for (int k = 0; k < 3; k++) {
          double d = (double)b->position[3 * j + k] - b->position[3 * i + k];
          r2 += d * d;
        }
        double z = (fabs(c->in[0].v[t0]) + fabs(c->in[0].v[t1])) * sqrt(r2) + c->in[1].v[t0] + c->in[1].v[t1];
        for (int k = 0; k < 128; k++) {
          double s = (z - (float)(9.0 * k / 127)) / std;
          *g++ = exp(-0.5 * s * s) / (sqrt(2 * 3.14159) * std);
        }
      }
}

static void gaussian(void **state) {
  (void)state;
  int64_t count = batch.atom_pairs * TT_GAUSSIANS;
  float *mul = array_random(512, 0.2, 1), *bias = array_random(512, 0, 1), *mean = array_new(128, 0);
  float *g = array_new(count, NAN), *dg = array_random(count, -1, 1);
  float *dmul = array_new(512, 0.5f), *dbias = array_new(512, -0.5f);
  for (int k = 0; k < 128; k++) mean[k] = (float)(9.0 * k / 127);
  for (int k = 0; k < 512; k += 2) mul[k] = -mul[k];
  const float std = 0.0708661452f;
  check c = {.name = "gaussian", .batch = &batch, .number = std, .formula = gaussian_formula};
  check_input(&c, mul, 512);
  check_input(&c, bias, 512);
  check_output(&c, count);
  ops->gaussian(&batch, mul, bias, mean, std, g);
  check_forward(&c, 0, g, 3e-5); // z is rounded before its difference from a centre is divided by std
  ops->gaussian_backward(&batch, mul, bias, mean, std, dg, dmul, dbias);
  const float *seeds[] = {dg};
  check_gradient(&c, 0, seeds, dmul, 0.5, 512, 1e-4);
  check_gradient(&c, 1, seeds, dbias, -0.5, 512, 1e-4);
  // a multiplier of 0 has no gradient
  memset(mul, 0, 512 * sizeof *mul);
  float *still = array_new(512, 0.25f);
  ops->gaussian_backward(&batch, mul, bias, mean, std, dg, still, dbias);
  for (int k = 0; k < 512; k++) assert_true(still[k] == 0.25f);
  check_free(&c);
}

static void atom_pairs(void **state) {
  (void)state;
  float *a = array_random(batch.atom_pairs * DIM, 1, 2), *pair = array_new(batch.pairs * DIM, 0.5f);
  float *back = array_new(batch.atom_pairs * DIM, NAN);
  ops->atom_pairs_add(&batch, DIM, a, pair);
  for (int m = 0; m < batch.molecules; m++) {
    int length = batch.length[m];
    for (int r = 0; r < length * length; r++)
      for (int e = 0; e < DIM; e++) {
        int i = r / length, j = r % length;
        int64_t from = batch.atom_pair_offset[m] + (int64_t)(i - 1) * (length - 1) + j - 1;
        float expected = 0.5f + (i > 0 && j > 0 ? a[from * DIM + e] : 0);
        assert_true(pair[(batch.pair_offset[m] + r) * DIM + e] == expected);
      }
  }
  ops->atom_pairs_get(&batch, DIM, pair, back);
  for (int64_t e = 0; e < batch.atom_pairs * DIM; e++) assert_true(back[e] == 0.5f + a[e]);
}

int main(void) {
  const struct CMUnitTest tests[] = {GROUP_TEST(tokens), GROUP_TEST(pairs), GROUP_TEST(gaussian),
                                     GROUP_TEST(atom_pairs)};
  return cmocka_run_group_tests_name("embedding", tests, NULL, NULL);
}
