// LayerNorm, a row at a time; the parameters' gradients in blocks of rows, so that long sums stay accurate.
#include "cpu.h"
#include "tile.h"

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

void TT_CPU(norm_rows)(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s, bool fresh,
                       tt_view y) {
  for (int64_t r = 0; r < rows; r++, x += dim, y.at += y.row) {
    if (fresh) {
      s.mean[r] = row_mean(x, dim);
      s.rstd[r] = 1.0f / sqrtf(row_variance(x, dim, s.mean[r]) + epsilon);
    }
    float mean = s.mean[r], rstd = s.rstd[r];
    for (int first = 0; first < dim; first += TT_PANEL) {
      const float *from = x + first, *gamma = norm.w + first, *beta = norm.b + first;
      float *to = y.at + first / TT_PANEL * y.panel;
      int count = tt_panel_width(dim, first);
      TT_INDEPENDENT
      for (int c = 0; c < count; c++) to[c] = (from[c] - mean) * rstd * gamma[c] + beta[c];
    }
  }
}

// dx = [dx +] rstd (h - mean(h) - xhat mean(h xhat)) with h = gamma dy
static TT_INLINE void row_backward(const float *dy, int64_t panel, const float *x, int dim,
                                   const float *gamma, float mean, float rstd, bool add, float *dx) {
  tt_lanes sum = {0}, product = {0};
  for (int first = 0; first < dim; first += TT_PANEL) {
    const float *d = dy + first / TT_PANEL * panel;
    int count = tt_panel_width(dim, first), c = 0;
    for (; c + TT_LANES <= count; c += TT_LANES) {
      tt_lanes h = TT_LOAD(gamma + first + c) * TT_LOAD(d + c);
      sum += h;
      product += h * ((TT_LOAD(x + first + c) - mean) * rstd);
    }
    for (int l = 0; c + l < count; l++) {
      float h = gamma[first + c + l] * d[c + l];
      sum[l] += h;
      product[l] += h * ((x[first + c + l] - mean) * rstd);
    }
  }
  float mean_h = tt_lane_sum(sum) / (float)dim, mean_product = tt_lane_sum(product) / (float)dim;
  for (int first = 0; first < dim; first += TT_PANEL) {
    const float *d = dy + first / TT_PANEL * panel, *from = x + first, *scale = gamma + first;
    float *to = dx + first;
    int count = tt_panel_width(dim, first);
    if (add) {
      TT_INDEPENDENT
      for (int c = 0; c < count; c++)
        to[c] += rstd * (scale[c] * d[c] - mean_h - (from[c] - mean) * rstd * mean_product);
    } else {
      TT_INDEPENDENT
      for (int c = 0; c < count; c++)
        to[c] = rstd * (scale[c] * d[c] - mean_h - (from[c] - mean) * rstd * mean_product);
    }
  }
}

void TT_CPU(norm_rows_backward)(tt_view dy, const float *x, int64_t rows, int dim, const float *gamma,
                                tt_statistics s, bool add, float *dx, tt_gradients gradient) {
  for (int64_t start = 0; start < rows; start += ROWS) {
    int64_t end = start + ROWS < rows ? start + ROWS : rows;
    for (int64_t r = start; r < end; r++)
      row_backward(dy.at + r * dy.row, dy.panel, x + r * dim, dim, gamma, s.mean[r], s.rstd[r], add,
                   dx + r * dim);
    for (int first = 0; first < dim; first += TT_PANEL) {
      const float *d = dy.at + first / TT_PANEL * dy.panel;
      int count = tt_panel_width(dim, first), c = 0;
      for (; c + TT_LANES <= count; c += TT_LANES) {
        tt_lanes scale = {0}, shift = {0};
        for (int64_t r = start; r < end; r++) {
          tt_lanes g = TT_LOAD(d + r * dy.row + c);
          scale += g * ((TT_LOAD(x + r * dim + first + c) - s.mean[r]) * s.rstd[r]);
          shift += g;
        }
        TT_STORE(gradient.w + first + c, TT_LOAD(gradient.w + first + c) + scale);
        TT_STORE(gradient.b + first + c, TT_LOAD(gradient.b + first + c) + shift);
      }
      for (; c < count; c++) {
        float scale = 0, shift = 0;
        for (int64_t r = start; r < end; r++) {
          float g = d[r * dy.row + c];
          scale += g * ((x[r * dim + first + c] - s.mean[r]) * s.rstd[r]);
          shift += g;
        }
        gradient.w[first + c] += scale, gradient.b[first + c] += shift;
      }
    }
  }
}

void TT_CPU(layer_norm)(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s, float *y) {
  TT_CPU(norm_rows)(x, rows, dim, norm, s, true, tt_view_rows(y, dim));
}

void TT_CPU(layer_norm_backward)(const float *dy, const float *x, int64_t rows, int dim, const float *gamma,
                                 tt_statistics s, float *dx, tt_gradients gradient) {
  // a view is written to nowhere here
  TT_CPU(norm_rows_backward)
  (tt_view_rows((float *)(uintptr_t)dy, dim), x, rows, dim, gamma, s, true, dx, gradient);
}
