// Triangle multiplication, a channel at a time, and its gated output, a row at a time.
#include "reference.h"

#include <math.h>

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

// One side (0 a, 1 b) of a channel of a molecule: (L, L)
static void gated(const tt_batch *batch, int m, int hidden, int side, int channel, const float *p,
                  const float *g, double *out) {
  int64_t count = (int64_t)batch->length[m] * batch->length[m];
  for (int64_t r = 0; r < count; r++) {
    int64_t at = (batch->pair_offset[m] + r) * 2 * hidden + side * hidden + channel;
    out[r] = p[at] * sigmoid(g[at]) / sqrt(batch->scaling_length[m]);
  }
}

static void triangle(const tt_batch *batch, int hidden, const float *p, const float *g, float *t,
                     float *scratch) {
  for (int m = 0; m < batch->molecules; m++)
    for (int channel = 0; channel < hidden; channel++) {
      int length = batch->length[m];
      tt_reference_room room = tt_reference_scratch(scratch);
      double *a = tt_reference_take(&room, (int64_t)length * length);
      double *b = tt_reference_take(&room, (int64_t)length * length);
      gated(batch, m, hidden, 0, channel, p, g, a), gated(batch, m, hidden, 1, channel, p, g, b);
      for (int i = 0; i < length; i++)
        for (int j = 0; j < length; j++) {
          double sum = 0;
          for (int k = 0; k < length; k++)
            sum += a[i * length + k] * b[j * length + k] + a[k * length + i] * b[k * length + j];
          t[(batch->pair_offset[m] + i * length + j) * hidden + channel] = (float)sum;
        }
    }
}

// Of one channel's side `d` = dL/d(a or b): through the gate.
static void gate_gradient(const tt_batch *batch, int m, int hidden, int side, int channel, const float *p,
                          const float *g, int64_t row, double d, float *dp, float *dg) {
  int64_t at = (batch->pair_offset[m] + row) * 2 * hidden + side * hidden + channel;
  double s = sigmoid(g[at]), value = p[at], scaled = d / sqrt(batch->scaling_length[m]);
  dp[at] = (float)(scaled * s), dg[at] = (float)(scaled * value * s * (1 - s));
}

static void triangle_backward(const tt_batch *batch, int hidden, const float *p, const float *g,
                              const float *dt, float *dp, float *dg, float *scratch) {
  for (int m = 0; m < batch->molecules; m++)
    for (int channel = 0; channel < hidden; channel++) {
      int length = batch->length[m];
      int64_t size = (int64_t)length * length;
      tt_reference_room room = tt_reference_scratch(scratch);
      double *a = tt_reference_take(&room, size), *b = tt_reference_take(&room, size);
      double *d = tt_reference_take(&room, size);
      gated(batch, m, hidden, 0, channel, p, g, a), gated(batch, m, hidden, 1, channel, p, g, b);
      for (int64_t r = 0; r < size; r++) d[r] = dt[(batch->pair_offset[m] + r) * hidden + channel];
      for (int x = 0; x < length; x++)
        for (int y = 0; y < length; y++) {
          double da = 0, db = 0;
          for (int k = 0; k < length; k++) {
            da += d[x * length + k] * b[k * length + y] + d[y * length + k] * b[x * length + k];
            db += d[k * length + x] * a[k * length + y] + d[k * length + y] * a[x * length + k];
          }
          gate_gradient(batch, m, hidden, 0, channel, p, g, x * length + y, da, dp, dg);
          gate_gradient(batch, m, hidden, 1, channel, p, g, x * length + y, db, dp, dg);
        }
    }
}

static void triangle_out(const tt_drop *drop, int hidden, int dim, const float *t, tt_weights norm,
                         tt_statistics s, tt_weights at, const float *gate, const float *residual, float *out,
                         float *scratch) {
  tt_reference_room room = tt_reference_scratch(scratch);
  double *z = tt_reference_take(&room, hidden), *u = tt_reference_take(&room, dim);
  for (int64_t r = 0; r < drop->batch->pairs; r++) {
    double mean, rstd;
    tt_reference_statistics(t + r * hidden, hidden, &mean, &rstd);
    s.mean[r] = (float)mean, s.rstd[r] = (float)rstd;
    tt_reference_normal(t + r * hidden, hidden, norm, mean, rstd, z);
    tt_reference_map(z, hidden, dim, at, u);
    for (int c = 0; c < dim; c++)
      out[r * dim + c] = (float)((residual != NULL ? residual[r * dim + c] : 0) +
                                 tt_reference_keep(drop, r, c) * gate[r * dim + c] * u[c]);
  }
}

static void triangle_out_backward(const tt_drop *drop, int hidden, int dim, const float *dout, const float *t,
                                  tt_weights norm, tt_statistics s, tt_weights at, const float *gate,
                                  float *dgate, float *dt, tt_gradients dnorm, tt_gradients gradient,
                                  float *scratch) {
  tt_reference_room room = tt_reference_scratch(scratch);
  double *z = tt_reference_take(&room, hidden), *dz = tt_reference_take(&room, hidden);
  double *u = tt_reference_take(&room, dim), *d = tt_reference_take(&room, hidden);
  double *dgamma = tt_reference_zeros(&room, hidden), *dbeta = tt_reference_zeros(&room, hidden);
  double *dw = tt_reference_zeros(&room, (int64_t)dim * hidden), *db = tt_reference_zeros(&room, dim);
  for (int64_t r = 0; r < drop->batch->pairs; r++) {
    tt_reference_normal(t + r * hidden, hidden, norm, s.mean[r], s.rstd[r], z);
    tt_reference_map(z, hidden, dim, at, u);
    for (int c = 0; c < dim; c++) { // u becomes its own gradient; dgate may be gate
      double through = tt_reference_keep(drop, r, c) * dout[r * dim + c], mine = through * u[c];
      u[c] = through * gate[r * dim + c];
      dgate[r * dim + c] = (float)mine;
    }
    for (int c = 0; c < hidden; c++) dz[c] = 0;
    tt_reference_map_backward(u, z, hidden, dim, at.w, dz, dw, db);
    tt_reference_normal_backward(dz, t + r * hidden, hidden, norm.w, s.mean[r], s.rstd[r], d, dgamma, dbeta);
    for (int c = 0; c < hidden; c++) dt[r * hidden + c] = (float)d[c];
  }
  tt_reference_add(dgamma, hidden, dnorm.w), tt_reference_add(dbeta, hidden, dnorm.b);
  tt_reference_add(dw, (int64_t)dim * hidden, gradient.w), tt_reference_add(db, dim, gradient.b);
}

void tt_reference_triangle(tt_ops *ops) {
  ops->triangle = triangle;
  ops->triangle_backward = triangle_backward;
  ops->triangle_out = triangle_out;
  ops->triangle_out_backward = triangle_out_backward;
}
