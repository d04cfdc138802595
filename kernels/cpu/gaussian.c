// The Gaussian expansion of interatomic distances.
#include "cpu.h"
#include "vector.h"

#include <math.h>

static float sign(float x) {
  return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
}

static float distance(const float *a, const float *b) {
  float x = b[0] - a[0], y = b[1] - a[1], z = b[2] - a[2];
  return sqrtf(x * x + y * y + z * z);
}

// The table rows of an atom as the first and as the second of a pair.
static int first_row(int pair_class) {
  return pair_class + 1;
}
static int second_row(int pair_class) {
  return pair_class + 129;
}

static float norm_of(float std) {
  return (float)(1.0 / (sqrt(2 * 3.14159) * std));
} // upstream's pi

// e^(-s^2/2); 0 far out (below e^-60), where a product with a small gradient would be a denormal number,
// which is slow.
static TT_INLINE float bell(float s) {
  float exponent = -0.5f * s * s;
  return exponent < -60.0f ? 0.0f : tt_expf(exponent);
}

static void expand(float z, const float *mean, float inverse_std, float norm, float *g) {
  for (int k = 0; k < TT_GAUSSIANS; k++) {
    float s = (z - mean[k]) * inverse_std;
    g[k] = bell(s) * norm;
  }
}

// dz = sum_k dg_k dg_k/dz
static float slope(float z, const float *mean, float inverse_std, float norm, const float *dg) {
  float term[TT_GAUSSIANS] __attribute__((aligned(64)));
  for (int k = 0; k < TT_GAUSSIANS; k++) {
    float s = (z - mean[k]) * inverse_std;
    term[k] = dg[k] * (bell(s) * s);
  }
  tt_lanes sum = {0};
  for (int k = 0; k < TT_GAUSSIANS; k += TT_LANES) sum += TT_LOAD(term + k);
  return -tt_lane_sum(sum) * norm * inverse_std;
}

void TT_CPU(gaussian)(const tt_batch *batch, const float *mul, const float *bias, const float *mean,
                      float std, float *g) {
  float norm = norm_of(std), inverse = 1.0f / std;
  for (int m = 0; m < batch->molecules; m++) {
    int64_t start = batch->token_offset[m] + 1, end = batch->token_offset[m + 1];
    for (int64_t i = start; i < end; i++)
      for (int64_t j = start; j < end; j++, g += TT_GAUSSIANS) {
        int t0 = first_row(batch->pair_class[i]), t1 = second_row(batch->pair_class[j]);
        float z =
            (fabsf(mul[t0]) + fabsf(mul[t1])) * distance(batch->position + 3 * i, batch->position + 3 * j) +
            (bias[t0] + bias[t1]);
        expand(z, mean, inverse, norm, g);
      }
  }
}

void TT_CPU(gaussian_backward)(const tt_batch *batch, const float *mul, const float *bias, const float *mean,
                               float std, const float *dg, float *dmul, float *dbias) {
  float norm = norm_of(std), inverse = 1.0f / std;
  for (int m = 0; m < batch->molecules; m++) {
    int64_t start = batch->token_offset[m] + 1, end = batch->token_offset[m + 1];
    for (int64_t i = start; i < end; i++)
      for (int64_t j = start; j < end; j++, dg += TT_GAUSSIANS) {
        int t0 = first_row(batch->pair_class[i]), t1 = second_row(batch->pair_class[j]);
        float r = distance(batch->position + 3 * i, batch->position + 3 * j);
        float z = (fabsf(mul[t0]) + fabsf(mul[t1])) * r + (bias[t0] + bias[t1]);
        float dz = slope(z, mean, inverse, norm, dg);
        dmul[t0] += dz * r * sign(mul[t0]), dmul[t1] += dz * r * sign(mul[t1]);
        dbias[t0] += dz, dbias[t1] += dz;
      }
  }
}
