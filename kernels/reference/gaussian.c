// The Gaussian expansion of distances.
#include "reference.h"

#include <math.h>

static double distance(const tt_batch *b, int64_t i, int64_t j) {
  double sum = 0;
  for (int k = 0; k < 3; k++) {
    double d = (double)b->position[3 * j + k] - b->position[3 * i + k];
    sum += d * d;
  }
  return sqrt(sum);
}

static double sign(double x) {
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

static void gaussian(const tt_batch *b, const float *mul, const float *bias, const float *mean, float std,
                     float *g) {
  for (int m = 0; m < b->molecules; m++)
    for (int64_t i = b->token_offset[m] + 1; i < b->token_offset[m + 1]; i++)
      for (int64_t j = b->token_offset[m] + 1; j < b->token_offset[m + 1]; j++, g += TT_GAUSSIANS) {
        int t0 = b->pair_class[i] + 1, t1 = b->pair_class[j] + 129;
        double z = (fabs(mul[t0]) + fabs(mul[t1])) * distance(b, i, j) + bias[t0] + bias[t1];
        for (int k = 0; k < TT_GAUSSIANS; k++) {
          double s = (z - mean[k]) / std;
          g[k] = (float)(exp(-s * s / 2) / (sqrt(2 * 3.14159) * std));
        }
      }
}

static void gaussian_backward(const tt_batch *b, const float *mul, const float *bias, const float *mean,
                              float std, const float *dg, float *dmul, float *dbias) {
  double mul_sums[512] = {0}, bias_sums[512] = {0};
  for (int m = 0; m < b->molecules; m++)
    for (int64_t i = b->token_offset[m] + 1; i < b->token_offset[m + 1]; i++)
      for (int64_t j = b->token_offset[m] + 1; j < b->token_offset[m + 1]; j++, dg += TT_GAUSSIANS) {
        int t0 = b->pair_class[i] + 1, t1 = b->pair_class[j] + 129;
        double r = distance(b, i, j), dz = 0;
        double z = (fabs(mul[t0]) + fabs(mul[t1])) * r + bias[t0] + bias[t1];
        for (int k = 0; k < TT_GAUSSIANS; k++) {
          double s = (z - mean[k]) / std;
          dz -= dg[k] * exp(-s * s / 2) / (sqrt(2 * 3.14159) * std) * s / std;
        }
        mul_sums[t0] += dz * r * sign(mul[t0]), mul_sums[t1] += dz * r * sign(mul[t1]);
        bias_sums[t0] += dz, bias_sums[t1] += dz;
      }
  tt_reference_add(mul_sums, 512, dmul), tt_reference_add(bias_sums, 512, dbias);
}

void tt_reference_gaussian(tt_ops *ops) {
  ops->gaussian = gaussian;
  ops->gaussian_backward = gaussian_backward;
}
