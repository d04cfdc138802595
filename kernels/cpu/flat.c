// Copies, sums and Adam over flat arrays.
#include "cpu.h"
#include "vector.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

void TT_CPU(copy)(const float *x, int64_t count, float *y) {
  memcpy(y, x, (size_t)count * sizeof *y);
}

void TT_CPU(zero)(float *x, int64_t count) {
  memset(x, 0, (size_t)count * sizeof *x);
}

void TT_CPU(library_product)(int n, const float *x, const float *y, float *z) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0f, x, n, y, n, 0.0f, z, n);
}

void TT_CPU(add)(const float *x, int64_t count, float *y) {
  for (int64_t i = 0; i < count; i++) y[i] += x[i];
}

double TT_CPU(sum_squares)(const float *x, int64_t count) {
  double lanes[TT_LANES] = {0};
  int64_t i = 0;
  for (; i + TT_LANES <= count; i += TT_LANES)
    for (int l = 0; l < TT_LANES; l++) lanes[l] += (double)x[i + l] * x[i + l];
  for (int l = 0; i + l < count; l++) lanes[l] += (double)x[i + l] * x[i + l];
  for (int half = TT_LANES / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

void TT_CPU(block_squares)(const float *x, int64_t count, int64_t block, double *sums) {
  for (int64_t at = 0; at < count; at += block)
    *sums++ = TT_CPU(sum_squares)(x + at, count - at < block ? count - at : block);
}

void TT_CPU(adam)(int64_t count, float *restrict w, const float *restrict grad, float *restrict m,
                  float *restrict v, const uint8_t *restrict decayed, float clip, float rate, float decay,
                  float beta1, float beta2, float epsilon) {
  float rest1 = 1 - beta1, rest2 = 1 - beta2;
  for (int64_t i = 0; i < count; i++) {
    float g = clip * grad[i];
    m[i] = beta1 * m[i] + rest1 * g;
    v[i] = beta2 * v[i] + rest2 * g * g;
    // not w * (1 - decay): 1 - 1e-8 is 1 in fp32, and a pretraining run's decay would have no effect at all
    float fade = decayed[i] != 0 ? decay : 0.0f;
    w[i] -= fade * w[i] + rate * m[i] / (sqrtf(v[i]) + epsilon);
  }
}
