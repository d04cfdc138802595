// Exact GELU: x Phi(x), Phi the normal distribution function.
#include "cpu.h"
#include "vector.h"

void TT_CPU(gelu)(const float *x, int64_t count, float *y) {
  TT_INDEPENDENT
  for (int64_t i = 0; i < count; i++) y[i] = tt_gelu(x[i]);
}

void TT_CPU(gelu_backward)(const float *x, int64_t count, float *d) {
  TT_INDEPENDENT
  for (int64_t i = 0; i < count; i++) d[i] *= tt_gelu_slope(x[i]);
}
