// Linear layers, LayerNorm, GELU, the functions under them, and the flat-array operations.
#include "group.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/vector.h"

static void linear_formula(const check *c) {
  int rows = c->shape[0], in = c->shape[1], out = c->shape[2];
  for (int r = 0; r < rows; r++)
    for (int o = 0; o < out; o++) {
      double sum = c->inputs > 2 ? c->in[2].v[o] : 0;
      for (int k = 0; k < in; k++) sum += c->in[0].v[r * in + k] * c->in[1].v[o * in + k];
      c->out[0].v[r * out + o] = sum;
    }
}

static void linear_case(int rows, int in, int out, bool with_bias) {
  float *x = array_random(rows * in, -1, 1), *w = array_random(out * in, -1, 1),
        *b = array_random(out, -1, 1);
  float *y = array_new(rows * out, NAN), *dy = array_random(rows * out, -1, 1);
  check c = {.name = "linear", .shape = {rows, in, out}, .formula = linear_formula};
  check_input(&c, x, rows * in);
  check_input(&c, w, out * in);
  if (with_bias) check_input(&c, b, out);
  check_output(&c, rows * out);
  ops->linear(x, rows, in, out, w, with_bias ? b : NULL, y);
  check_forward(&c, 0, y, 1e-6);

  const float *seeds[] = {dy};
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    float *dx = array_new(rows * in, accumulate ? 0.5f : NAN), *dw = array_new(out * in, 0.25f);
    float *db = array_new(out, -2);
    ops->linear_backward(dy, x, rows, in, out, w, dx, accumulate, dw, with_bias ? db : NULL);
    check_gradient(&c, 0, seeds, dx, accumulate ? 0.5 : 0, 200, 2e-6);
    check_gradient(&c, 1, seeds, dw, 0.25, 200, 2e-6);
    if (with_bias) check_gradient(&c, 2, seeds, db, -2, 200, 2e-6);
    float *again = array_new(out * in, 0.25f);
    ops->linear_backward(dy, x, rows, in, out, w, NULL, false, again, NULL);
    assert_memory_equal(again, dw, (size_t)(out * in) * sizeof *dw);
  }
  check_free(&c);
}

static void linear(void **state) {
  (void)state;
  linear_case(7, 5, 11, true);
  linear_case(1, 1, 1, false);
  linear_case(33, 21, 63, true);
  linear_case(150, 64, 32, false);
  linear_case(300, 17, 19, true); // more rows than a block of column sums
}

static void norm_formula(const check *c) {
  int rows = c->shape[0], dim = c->shape[1];
  for (int r = 0; r < rows; r++) {
    const double *x = c->in[0].v + r * dim;
    double mean = 0, variance = 0;
    for (int k = 0; k < dim; k++) mean += x[k] / dim;
    for (int k = 0; k < dim; k++) variance += (x[k] - mean) * (x[k] - mean) / dim;
    double rstd = 1 / sqrt(variance + 1e-5);
    for (int k = 0; k < dim; k++)
      c->out[0].v[r * dim + k] = (x[k] - mean) * rstd * c->in[1].v[k] + c->in[2].v[k];
    c->out[1].v[r] = mean, c->out[2].v[r] = rstd;
  }
}

static void layer_norm_case(int rows, int dim, double offset) {
  float *x = array_random(rows * dim, offset - 1, offset + 1), *gamma = array_random(dim, -1, 1);
  float *beta = array_random(dim, -1, 1), *y = array_new(rows * dim, NAN), *mean = array_new(rows, NAN);
  float *rstd = array_new(rows, NAN), *dy = array_random(rows * dim, -1, 1),
        *again = array_new(rows * dim, NAN);
  check c = {.name = "layer_norm", .shape = {rows, dim}, .formula = norm_formula};
  check_input(&c, x, rows * dim);
  check_input(&c, gamma, dim);
  check_input(&c, beta, dim);
  check_output(&c, rows * dim);
  check_output(&c, rows);
  check_output(&c, rows);
  ops->layer_norm(x, rows, dim, gamma, beta, y, mean, rstd);
  check_forward(&c, 0, y, 2e-6 * (1 + offset));
  check_forward(&c, 1, mean, 1e-6);
  check_forward(&c, 2, rstd, 1e-6);
  ops->layer_norm_apply(x, rows, dim, gamma, beta, mean, rstd, again);
  assert_memory_equal(again, y, (size_t)(rows * dim) * sizeof *y);

  float *dx = array_new(rows * dim, 0.5f), *dgamma = array_new(dim, -0.25f), *dbeta = array_new(dim, 0.125f);
  ops->layer_norm_backward(dy, x, rows, dim, gamma, mean, rstd, dx, dgamma, dbeta);
  const float *seeds[] = {dy, NULL, NULL};
  check_gradient(&c, 0, seeds, dx, 0.5, 300, 5e-6);
  check_gradient(&c, 1, seeds, dgamma, -0.25, 200, 5e-6);
  check_gradient(&c, 2, seeds, dbeta, 0.125, 200, 5e-6);
  check_free(&c);
}

static void layer_norm(void **state) {
  (void)state;
  layer_norm_case(5, 21, 0);
  layer_norm_case(77, 11, 0);
  layer_norm_case(3, 128, 0);
  layer_norm_case(40, 5, 3);
}

static void gelu_formula(const check *c) {
  for (int64_t i = 0; i < c->in[0].count; i++) {
    double x = c->in[0].v[i];
    c->out[0].v[i] = 0.5 * x * erfc(-x / sqrt(2));
  }
}

static void gelu(void **state) {
  (void)state;
  enum { N = 1003 };
  float *x = array_random(N, -6, 6), *y = array_new(N, NAN), *seed = array_random(N, 0.5, 1);
  float *d = array_new(N, 0);
  check c = {.name = "gelu", .formula = gelu_formula};
  check_input(&c, x, N);
  check_output(&c, N);
  ops->gelu(x, N, y);
  check_forward(&c, 0, y, 1e-7);
  memcpy(d, seed, N * sizeof *d);
  ops->gelu_backward(x, N, d);
  const float *seeds[] = {seed};
  check_gradient(&c, 0, seeds, d, 0, N, 1e-6);
  ops->gelu(x, N, x); // in place
  assert_memory_equal(x, y, N * sizeof *x);
  check_free(&c);
}

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

static void flat(void **state) {
  (void)state;
  enum { N = 1003 };
  float *x = array_random(N, -1, 1), *y = array_random(N, -1, 1), *before = array_new(N, 0);
  ops->copy(y, N, before);
  assert_memory_equal(before, y, N * sizeof *y);
  ops->add(x, N, y);
  double sum = 0;
  for (int i = 0; i < N; i++) {
    assert_true(y[i] == before[i] + x[i]);
    sum += (double)x[i] * x[i];
  }
  assert_true(fabs(ops->sum_squares(x, N) - sum) < 1e-13 * sum);
  assert_true(ops->sum_squares(x, 0) == 0);
  ops->zero(y, N);
  for (int i = 0; i < N; i++) assert_true(y[i] == 0);
}

static void adam(void **state) {
  (void)state;
  enum { N = 101 };
  float *w = array_random(N, -1, 1), *g = array_random(N, -1, 1), *m = array_random(N, -1, 1);
  float *v = array_random(N, 0, 1), *w0 = array_new(N, 0), *m0 = array_new(N, 0), *v0 = array_new(N, 0);
  uint8_t decayed[N];
  for (int i = 0; i < N; i++) decayed[i] = i % 3 == 0;
  memcpy(w0, w, N * sizeof *w), memcpy(m0, m, N * sizeof *m), memcpy(v0, v, N * sizeof *v);
  const double clip = 0.5, rate = 0.125, decay = 0.0625, b1 = 0.875, b2 = 0.96875, eps = 1e-6;
  ops->adam(N, w, g, m, v, decayed, (float)clip, (float)rate, (float)decay, (float)b1, (float)b2, (float)eps);
  for (int i = 0; i < N; i++) {
    double gradient = clip * g[i], m1 = b1 * m0[i] + (1 - b1) * gradient;
    double v1 = b2 * v0[i] + (1 - b2) * gradient * gradient;
    double expected = w0[i] * (1 - (decayed[i] ? decay : 0)) - rate * m1 / (sqrt(v1) + eps);
    assert_true(fabs(m[i] - m1) < 1e-7 && fabs(v[i] - v1) < 1e-7 && fabs(w[i] - expected) < 1e-6);
  }
}

// A decay of 1e-8 (the paper's peak rate 1e-4 times 1e-4) is lost on a single weight, but must act on the
// mean of many.
static void adam_small_decay(void **state) {
  (void)state;
  enum { N = 100000 };
  const float decay = 1e-8f;
  double shrunk = 0;
  for (int with = 0; with < 2; with++) {
    float *w = array_new(N, 0), *g = array_new(N, 0), *m = array_new(N, 0), *v = array_new(N, 0);
    uint8_t *decayed = calloc(N, 1);
    assert_non_null(decayed);
    memset(decayed, with, N);
    for (int i = 0; i < N; i++) { // updates of about 1e-4, all different
      w[i] = 0.5f + (float)i / N;
      m[i] = (float)((i * 7919) % N) / N - 0.5f;
      v[i] = 1;
    }
    ops->adam(N, w, g, m, v, decayed, 1, 1e-4f, decay, 0.9f, 0.99f, 1e-6f);
    for (int i = 0; i < N; i++) shrunk += (with ? -1 : 1) * (double)w[i] / N;
    free(decayed);
  }
  assert_true(fabs(shrunk / decay - 1) < 0.1); // the mean weight is 1
}

int main(void) {
  const struct CMUnitTest tests[] = {
      GROUP_TEST(linear),           GROUP_TEST(layer_norm), GROUP_TEST(gelu),
      cmocka_unit_test(functions),  GROUP_TEST(flat),       GROUP_TEST(adam),
      GROUP_TEST(adam_small_decay),
  };
  return cmocka_run_group_tests_name("dense", tests, NULL, NULL);
}
