// The fused steps of a block, a row at a time.
#include "reference.h"

#include <string.h>

static void norm_linear(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                        const tt_map *maps, int count, float *scratch) {
  for (int64_t r = 0; r < rows; r++) {
    tt_reference_room room = tt_reference_scratch(scratch);
    double mean, rstd, *z = tt_reference_take(&room, dim);
    tt_reference_statistics(x + r * dim, dim, &mean, &rstd);
    s.mean[r] = (float)mean, s.rstd[r] = (float)rstd;
    tt_reference_normal(x + r * dim, dim, norm, mean, rstd, z);
    for (int k = 0; k < count; k++) {
      tt_reference_room rest = room;
      double *y = tt_reference_take(&rest, maps[k].out);
      tt_reference_map(z, dim, maps[k].out, maps[k].at, y);
      for (int o = 0; o < maps[k].out; o++) maps[k].y[r * maps[k].out + o] = (float)y[o];
    }
  }
}

// The gradients of one map's matrix and bias.
static void map_gradient(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                         const tt_map_gradient *map, tt_reference_room room) {
  double *z = tt_reference_take(&room, dim), *dy = tt_reference_take(&room, map->out);
  double *db = tt_reference_zeros(&room, map->out), *dw = tt_reference_zeros(&room, (int64_t)map->out * dim);
  for (int64_t r = 0; r < rows; r++) {
    tt_reference_normal(x + r * dim, dim, norm, s.mean[r], s.rstd[r], z);
    for (int o = 0; o < map->out; o++) dy[o] = map->dy[r * map->out + o];
    tt_reference_map_backward(dy, z, dim, map->out, NULL, NULL, dw, db);
  }
  tt_reference_add(dw, (int64_t)map->out * dim, map->gradient.w);
  tt_reference_add(db, map->out, map->gradient.b);
}

static void norm_linear_backward(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                                 const tt_map_gradient *maps, int count, float *dx, tt_gradients dnorm,
                                 float *scratch) {
  tt_reference_room room = tt_reference_scratch(scratch);
  for (int k = 0; k < count; k++) map_gradient(x, rows, dim, norm, s, &maps[k], room);
  double *dz = tt_reference_take(&room, dim), *d = tt_reference_take(&room, dim);
  double *dgamma = tt_reference_zeros(&room, dim), *dbeta = tt_reference_zeros(&room, dim);
  for (int64_t r = 0; r < rows; r++) {
    memset(dz, 0, (size_t)dim * sizeof *dz);
    for (int k = 0; k < count; k++)
      for (int o = 0; o < maps[k].out; o++)
        for (int c = 0; c < dim; c++)
          dz[c] += (double)maps[k].dy[r * maps[k].out + o] * maps[k].at.w[(int64_t)o * dim + c];
    tt_reference_normal_backward(dz, x + r * dim, dim, norm.w, s.mean[r], s.rstd[r], d, dgamma, dbeta);
    tt_reference_add(d, dim, dx + r * dim);
  }
  tt_reference_add(dgamma, dim, dnorm.w);
  tt_reference_add(dbeta, dim, dnorm.b);
}

static void linear_residual(const tt_drop *drop, const float *x, int64_t rows, int in, int out_dim,
                            tt_weights at, const float *residual, float *out, float *scratch) {
  tt_reference_room room = tt_reference_scratch(scratch);
  double *input = tt_reference_take(&room, in), *y = tt_reference_take(&room, out_dim);
  for (int64_t r = 0; r < rows; r++) {
    for (int k = 0; k < in; k++) input[k] = x[r * in + k];
    tt_reference_map(input, in, out_dim, at, y);
    for (int o = 0; o < out_dim; o++)
      out[r * out_dim + o] =
          (float)((residual != NULL ? residual[r * out_dim + o] : 0) + tt_reference_keep(drop, r, o) * y[o]);
  }
}

static void linear_residual_backward(const tt_drop *drop, const float *dout, const float *x, int64_t rows,
                                     int in, int out_dim, const float *w, float *dx, tt_gradients gradient,
                                     float *scratch) {
  tt_reference_room room = tt_reference_scratch(scratch);
  double *input = tt_reference_take(&room, in), *dinput = tt_reference_take(&room, in);
  double *dy = tt_reference_take(&room, out_dim), *db = tt_reference_zeros(&room, out_dim);
  double *dw = tt_reference_zeros(&room, (int64_t)in * out_dim);
  for (int64_t r = 0; r < rows; r++) {
    for (int k = 0; k < in; k++) input[k] = x[r * in + k], dinput[k] = 0;
    for (int o = 0; o < out_dim; o++) dy[o] = tt_reference_keep(drop, r, o) * dout[r * out_dim + o];
    tt_reference_map_backward(dy, input, in, out_dim, w, dinput, dw, db);
    for (int k = 0; k < in; k++) dx[r * in + k] = (float)dinput[k];
  }
  tt_reference_add(dw, (int64_t)in * out_dim, gradient.w);
  tt_reference_add(db, out_dim, gradient.b);
}

static void bias_residual(const tt_drop *drop, const float *y, int64_t rows, int dim, const float *bias,
                          const float *residual, float *out) {
  for (int64_t r = 0; r < rows; r++)
    for (int c = 0; c < dim; c++)
      out[r * dim + c] = (float)((residual != NULL ? residual[r * dim + c] : 0) +
                                 tt_reference_keep(drop, r, c) * ((double)y[r * dim + c] + bias[c]));
}

static void bias_residual_backward(const tt_drop *drop, const float *dout, int64_t rows, int dim, float *dy,
                                   float *dbias) {
  for (int c = 0; c < dim; c++) {
    double sum = dbias[c];
    for (int64_t r = 0; r < rows; r++) {
      double d = tt_reference_keep(drop, r, c) * dout[r * dim + c];
      dy[r * dim + c] = (float)d;
      sum += d;
    }
    dbias[c] = (float)sum;
  }
}

// a = inner_dropout(GELU(h)) of one row
static void activate(const tt_ffn *f, int64_t row, const double *h, double *a) {
  const tt_drop inner = {f->drop.batch, f->drop.rows, f->inner};
  for (int c = 0; c < f->hidden; c++) a[c] = tt_reference_keep(&inner, row, c) * tt_reference_gelu(h[c]);
}

static void ffn(const tt_ffn *f, const float *x, const float *residual, float *h, tt_statistics s, float *out,
                float *scratch) {
  tt_reference_room room = tt_reference_scratch(scratch);
  double *z = tt_reference_take(&room, f->dim), *y = tt_reference_take(&room, f->dim);
  double *inner = tt_reference_take(&room, f->hidden);
  for (int64_t r = 0; r < f->rows; r++) {
    double mean, rstd;
    tt_reference_statistics(x + r * f->dim, f->dim, &mean, &rstd);
    s.mean[r] = (float)mean, s.rstd[r] = (float)rstd;
    tt_reference_normal(x + r * f->dim, f->dim, f->norm, mean, rstd, z);
    tt_reference_map(z, f->dim, f->hidden, f->first, inner);
    for (int c = 0; c < f->hidden; c++) h[r * f->hidden + c] = (float)inner[c];
    activate(f, r, inner, inner);
    tt_reference_map(inner, f->hidden, f->dim, f->second, y);
    for (int c = 0; c < f->dim; c++)
      out[r * f->dim + c] = (float)((residual != NULL ? residual[r * f->dim + c] : 0) +
                                    tt_reference_keep(&f->drop, r, c) * y[c]);
  }
}

static void ffn_backward(const tt_ffn *f, const float *x, const float *h, tt_statistics s, float *d,
                         tt_gradients dnorm, tt_gradients dfirst, tt_gradients dsecond, float *scratch) {
  const tt_drop inner = {f->drop.batch, f->drop.rows, f->inner};
  int dim = f->dim, hidden = f->hidden;
  int64_t size = (int64_t)dim * hidden;
  tt_reference_room room = tt_reference_scratch(scratch);
  double *before = tt_reference_take(&room, hidden), *a = tt_reference_take(&room, hidden);
  double *da = tt_reference_take(&room, hidden), *dy = tt_reference_take(&room, dim);
  double *z = tt_reference_take(&room, dim), *dz = tt_reference_take(&room, dim);
  double *dgamma = tt_reference_zeros(&room, dim), *dbeta = tt_reference_zeros(&room, dim);
  double *db1 = tt_reference_zeros(&room, hidden), *db2 = tt_reference_zeros(&room, dim);
  double *dw1 = tt_reference_zeros(&room, size), *dw2 = tt_reference_zeros(&room, size);
  for (int64_t r = 0; r < f->rows; r++) {
    float *row = d + r * dim;
    for (int c = 0; c < hidden; c++) before[c] = h[r * hidden + c], da[c] = 0;
    for (int c = 0; c < dim; c++) dy[c] = tt_reference_keep(&f->drop, r, c) * row[c], dz[c] = 0;
    activate(f, r, before, a);
    tt_reference_map_backward(dy, a, hidden, dim, f->second.w, da, dw2, db2);
    for (int c = 0; c < hidden; c++)
      da[c] *= tt_reference_keep(&inner, r, c) * tt_reference_gelu_slope(before[c]);
    tt_reference_normal(x + r * dim, dim, f->norm, s.mean[r], s.rstd[r], z);
    tt_reference_map_backward(da, z, dim, hidden, f->first.w, dz, dw1, db1);
    tt_reference_normal_backward(dz, x + r * dim, dim, f->norm.w, s.mean[r], s.rstd[r], dy, dgamma, dbeta);
    for (int c = 0; c < dim; c++) row[c] = (float)((f->branch_only ? 0 : row[c]) + dy[c]);
  }
  tt_reference_add(dgamma, dim, dnorm.w), tt_reference_add(dbeta, dim, dnorm.b);
  tt_reference_add(dw1, size, dfirst.w), tt_reference_add(db1, hidden, dfirst.b);
  tt_reference_add(dw2, size, dsecond.w), tt_reference_add(db2, dim, dsecond.b);
}

void tt_reference_fused(tt_ops *ops) {
  ops->norm_linear = norm_linear;
  ops->norm_linear_backward = norm_linear_backward;
  ops->linear_residual = linear_residual;
  ops->linear_residual_backward = linear_residual_backward;
  ops->bias_residual = bias_residual;
  ops->bias_residual_backward = bias_residual_backward;
  ops->ffn = ffn;
  ops->ffn_backward = ffn_backward;
}
