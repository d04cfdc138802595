// LayerNorm, a row at a time; the parameters' gradients in blocks of rows, so that long sums stay accurate.
#include "cpu.h"
#include "vector.h"

#include <math.h>

static const float epsilon = 1e-5f;
enum { ROWS = 32 }; // rows that stay in the cache between the two passes of the backward

static TT_INLINE float row_mean(const float *x, int dim) {
  tt_lanes sum = {0};
  int c = 0;
  for (; c + TT_LANES <= dim; c += TT_LANES) sum += TT_LOAD(x + c);
  for (int l = 0; c + l < dim; l++) sum[l] += x[c + l];
  return tt_lane_sum(sum) / (float)dim;
}

static TT_INLINE float row_variance(const float *x, int dim, float mean) {
  tt_lanes sum = {0};
  int c = 0;
  for (; c + TT_LANES <= dim; c += TT_LANES) {
    tt_lanes centred = TT_LOAD(x + c) - mean;
    sum += centred * centred;
  }
  for (int l = 0; c + l < dim; l++) sum[l] += (x[c + l] - mean) * (x[c + l] - mean);
  return tt_lane_sum(sum) / (float)dim;
}

static TT_INLINE void row_apply(const float *x, int dim, const float *gamma, const float *beta, float mean,
                                float rstd, float *y) {
  for (int c = 0; c < dim; c++) y[c] = (x[c] - mean) * rstd * gamma[c] + beta[c];
}

void TT_CPU(layer_norm)(const float *x, int64_t rows, int dim, const float *gamma, const float *beta,
                        float *y, float *mean, float *rstd) {
  for (int64_t r = 0; r < rows; r++) {
    const float *row = x + r * dim;
    mean[r] = row_mean(row, dim);
    rstd[r] = 1.0f / sqrtf(row_variance(row, dim, mean[r]) + epsilon);
    row_apply(row, dim, gamma, beta, mean[r], rstd[r], y + r * dim);
  }
}

void TT_CPU(layer_norm_apply)(const float *x, int64_t rows, int dim, const float *gamma, const float *beta,
                              const float *mean, const float *rstd, float *y) {
  for (int64_t r = 0; r < rows; r++) row_apply(x + r * dim, dim, gamma, beta, mean[r], rstd[r], y + r * dim);
}

// dx += rstd (h - mean(h) - xhat mean(h xhat)) with h = gamma dy
static TT_INLINE void row_backward(const float *dy, const float *x, int dim, const float *gamma, float mean,
                                   float rstd, float *dx) {
  tt_lanes sum = {0}, product = {0};
  int c = 0;
  for (; c + TT_LANES <= dim; c += TT_LANES) {
    tt_lanes h = TT_LOAD(gamma + c) * TT_LOAD(dy + c);
    sum += h;
    product += h * ((TT_LOAD(x + c) - mean) * rstd);
  }
  for (int l = 0; c + l < dim; l++) {
    float h = gamma[c + l] * dy[c + l];
    sum[l] += h;
    product[l] += h * ((x[c + l] - mean) * rstd);
  }
  float mean_h = tt_lane_sum(sum) / (float)dim, mean_product = tt_lane_sum(product) / (float)dim;
  TT_INDEPENDENT
  for (c = 0; c < dim; c++) dx[c] += rstd * (gamma[c] * dy[c] - mean_h - (x[c] - mean) * rstd * mean_product);
}

void TT_CPU(layer_norm_backward)(const float *dy, const float *x, int64_t rows, int dim, const float *gamma,
                                 const float *mean, const float *rstd, float *dx, float *dgamma,
                                 float *dbeta) {
  for (int64_t start = 0; start < rows; start += ROWS) {
    int64_t end = start + ROWS < rows ? start + ROWS : rows;
    for (int64_t r = start; r < end; r++)
      row_backward(dy + r * dim, x + r * dim, dim, gamma, mean[r], rstd[r], dx + r * dim);
    int c = 0;
    for (; c + TT_LANES <= dim; c += TT_LANES) {
      tt_lanes scale = {0}, shift = {0};
      for (int64_t r = start; r < end; r++) {
        tt_lanes d = TT_LOAD(dy + r * dim + c);
        scale += d * ((TT_LOAD(x + r * dim + c) - mean[r]) * rstd[r]);
        shift += d;
      }
      TT_STORE(dgamma + c, TT_LOAD(dgamma + c) + scale);
      TT_STORE(dbeta + c, TT_LOAD(dbeta + c) + shift);
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
