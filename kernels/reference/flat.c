// Flat arrays, and Adam.
#include "reference.h"

#include <math.h>

static void copy(const float *x, int64_t count, float *y) {
  for (int64_t i = 0; i < count; i++) y[i] = x[i];
}

static void zero(float *x, int64_t count) {
  for (int64_t i = 0; i < count; i++) x[i] = 0;
}

static void library_product(int n, const float *x, const float *y, float *z) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      double sum = 0;
      for (int64_t k = 0; k < n; k++) sum += (double)x[i * n + k] * y[k * n + j];
      z[i * n + j] = (float)sum;
    }
}

static void add(const float *x, int64_t count, float *y) {
  for (int64_t i = 0; i < count; i++) y[i] += x[i];
}

static double sum_squares(const float *x, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += (double)x[i] * x[i];
  return sum;
}

static void block_squares(const float *x, int64_t count, int64_t block, double *sums) {
  for (int64_t at = 0; at < count; at += block)
    *sums++ = sum_squares(x + at, count - at < block ? count - at : block);
}

static void adam(int64_t count, float *w, const float *grad, float *m, float *v, const uint8_t *decayed,
                 float clip, float rate, float decay, float beta1, float beta2, float epsilon) {
  for (int64_t i = 0; i < count; i++) {
    double g = (double)clip * grad[i];
    double first = (double)beta1 * m[i] + (1 - (double)beta1) * g;
    double second = (double)beta2 * v[i] + (1 - (double)beta2) * g * g;
    w[i] = (float)(w[i] * (1 - (decayed[i] ? (double)decay : 0)) - rate * first / (sqrt(second) + epsilon));
    m[i] = (float)first, v[i] = (float)second;
  }
}

void tt_reference_flat(tt_ops *ops) {
  ops->copy_activations = ops->copy = copy;
  ops->zero_activations = ops->zero = zero;
  ops->library_product = library_product;
  ops->add_activations = ops->add = add;
  ops->sum_squares = sum_squares;
  ops->block_squares = block_squares;
  ops->adam = adam;
}
