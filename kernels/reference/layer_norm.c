// LayerNorm.
#include "reference.h"

#include <math.h>

void tt_reference_statistics(const float *x, int dim, double *mean, double *rstd) {
  double sum = 0, squares = 0;
  for (int c = 0; c < dim; c++) sum += x[c];
  *mean = sum / dim;
  for (int c = 0; c < dim; c++) squares += (x[c] - *mean) * (x[c] - *mean);
  *rstd = 1 / sqrt(squares / dim + 1e-5);
}

void tt_reference_normal(const float *x, int dim, tt_weights norm, double mean, double rstd, double *y) {
  for (int c = 0; c < dim; c++) y[c] = (x[c] - mean) * rstd * norm.w[c] + norm.b[c];
}

// dx = rstd (h - mean(h) - xhat mean(h xhat)), h = gamma dy
void tt_reference_normal_backward(const double *dy, const float *x, int dim, const float *gamma, double mean,
                                  double rstd, double *dx, double *dgamma, double *dbeta) {
  double sum = 0, product = 0;
  for (int c = 0; c < dim; c++) {
    double hat = (x[c] - mean) * rstd;
    sum += gamma[c] * dy[c], product += gamma[c] * dy[c] * hat;
    dgamma[c] += dy[c] * hat, dbeta[c] += dy[c];
  }
  for (int c = 0; c < dim; c++)
    dx[c] = rstd * (gamma[c] * dy[c] - sum / dim - (x[c] - mean) * rstd * product / dim);
}

static void layer_norm(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s, float *y) {
  for (int64_t r = 0; r < rows; r++) {
    double mean, rstd;
    tt_reference_statistics(x + r * dim, dim, &mean, &rstd);
    s.mean[r] = (float)mean, s.rstd[r] = (float)rstd;
    for (int c = 0; c < dim; c++)
      y[r * dim + c] = (float)((x[r * dim + c] - mean) * rstd * norm.w[c] + norm.b[c]);
  }
}

// No scratch: a row's sums are kept, its channels gone through again.
static void layer_norm_backward(const float *dy, const float *x, int64_t rows, int dim, const float *gamma,
                                tt_statistics s, float *dx, tt_gradients gradient) {
  for (int64_t r = 0; r < rows; r++) {
    double sum = 0, product = 0, mean = s.mean[r], rstd = s.rstd[r];
    for (int64_t e = r * dim; e < (r + 1) * dim; e++) {
      double h = (double)gamma[e - r * dim] * dy[e];
      sum += h, product += h * (x[e] - mean) * rstd;
    }
    for (int64_t e = r * dim; e < (r + 1) * dim; e++)
      dx[e] = (float)(dx[e] + rstd * ((double)gamma[e - r * dim] * dy[e] - sum / dim -
                                      (x[e] - mean) * rstd * product / dim));
  }
  for (int c = 0; c < dim; c++) {
    double scale = 0, shift = 0;
    for (int64_t r = 0; r < rows; r++) {
      scale += (double)dy[r * dim + c] * ((double)x[r * dim + c] - s.mean[r]) * s.rstd[r];
      shift += dy[r * dim + c];
    }
    gradient.w[c] = (float)(gradient.w[c] + scale), gradient.b[c] = (float)(gradient.b[c] + shift);
  }
}

void tt_reference_layer_norm(tt_ops *ops) {
  ops->layer_norm = layer_norm;
  ops->layer_norm_backward = layer_norm_backward;
}
