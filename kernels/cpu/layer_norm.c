// LayerNorm, a row at a time; the parameters' gradients in blocks of rows, so that long sums stay accurate.
#include "cpu.h"
#include "vector.h"

#include <math.h>

static const float epsilon = 1e-5f;
enum { ROWS = 32 }; // rows that stay in the cache between the two passes of the backward

static TT_INLINE float row_mean(const float *x, int dim) {
  float lanes[TT_LANES] = {0};
  int c = 0;
  for (; c + TT_LANES <= dim; c += TT_LANES)
    for (int l = 0; l < TT_LANES; l++) lanes[l] += x[c + l];
  for (int l = 0; c + l < dim; l++) lanes[l] += x[c + l];
  return tt_lane_sum(lanes) / (float)dim;
}

static TT_INLINE float row_variance(const float *x, int dim, float mean) {
  float lanes[TT_LANES] = {0};
  int c = 0;
  for (; c + TT_LANES <= dim; c += TT_LANES)
    for (int l = 0; l < TT_LANES; l++) lanes[l] += (x[c + l] - mean) * (x[c + l] - mean);
  for (int l = 0; c + l < dim; l++) lanes[l] += (x[c + l] - mean) * (x[c + l] - mean);
  return tt_lane_sum(lanes) / (float)dim;
}

static TT_INLINE void row_apply(const float *x, int dim, const float *gamma, const float *beta, float mean,
                                float rstd, float *y) {
  for (int c = 0; c < dim; c++) y[c] = (x[c] - mean) * rstd * gamma[c] + beta[c];
}

TT_KERNEL void tt_cpu_layer_norm(const float *x, int64_t rows, int dim, const float *gamma, const float *beta,
                                 float *y, float *mean, float *rstd) {
  for (int64_t r = 0; r < rows; r++) {
    const float *row = x + r * dim;
    mean[r] = row_mean(row, dim);
    rstd[r] = 1.0f / sqrtf(row_variance(row, dim, mean[r]) + epsilon);
    row_apply(row, dim, gamma, beta, mean[r], rstd[r], y + r * dim);
  }
}

TT_KERNEL void tt_cpu_layer_norm_apply(const float *x, int64_t rows, int dim, const float *gamma,
                                       const float *beta, const float *mean, const float *rstd, float *y) {
  for (int64_t r = 0; r < rows; r++) row_apply(x + r * dim, dim, gamma, beta, mean[r], rstd[r], y + r * dim);
}

// dx += rstd (h - mean(h) - xhat mean(h xhat)) with h = gamma dy
static TT_INLINE void row_backward(const float *dy, const float *x, int dim, const float *gamma, float mean,
                                   float rstd, float *dx) {
  float sums[TT_LANES] = {0}, products[TT_LANES] = {0};
  int c = 0;
  for (; c + TT_LANES <= dim; c += TT_LANES)
    for (int l = 0; l < TT_LANES; l++) {
      float h = gamma[c + l] * dy[c + l];
      sums[l] += h;
      products[l] += h * ((x[c + l] - mean) * rstd);
    }
  for (int l = 0; c + l < dim; l++) {
    float h = gamma[c + l] * dy[c + l];
    sums[l] += h;
    products[l] += h * ((x[c + l] - mean) * rstd);
  }
  float mean_h = tt_lane_sum(sums) / (float)dim, mean_product = tt_lane_sum(products) / (float)dim;
  for (c = 0; c < dim; c++) dx[c] += rstd * (gamma[c] * dy[c] - mean_h - (x[c] - mean) * rstd * mean_product);
}

TT_KERNEL void tt_cpu_layer_norm_backward(const float *dy, const float *x, int64_t rows, int dim,
                                          const float *gamma, const float *mean, const float *rstd, float *dx,
                                          float *dgamma, float *dbeta) {
  for (int64_t start = 0; start < rows; start += ROWS) {
    int64_t end = start + ROWS < rows ? start + ROWS : rows;
    for (int64_t r = start; r < end; r++)
      row_backward(dy + r * dim, x + r * dim, dim, gamma, mean[r], rstd[r], dx + r * dim);
    int c = 0;
    for (; c + TT_LANES <= dim; c += TT_LANES) {
      float scale[TT_LANES] = {0}, shift[TT_LANES] = {0};
      for (int64_t r = start; r < end; r++)
        for (int l = 0; l < TT_LANES; l++) {
          float d = dy[r * dim + c + l];
          scale[l] += d * ((x[r * dim + c + l] - mean[r]) * rstd[r]);
          shift[l] += d;
        }
      for (int l = 0; l < TT_LANES; l++) dgamma[c + l] += scale[l], dbeta[c + l] += shift[l];
    }
    for (; c < dim; c++) {
      float scale = 0, shift = 0;
      for (int64_t r = start; r < end; r++) {
        scale += dy[r * dim + c] * ((x[r * dim + c] - mean[r]) * rstd[r]);
        shift += dy[r * dim + c];
      }
      dgamma[c] += scale, dbeta[c] += shift;
    }
  }
}
