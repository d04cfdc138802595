// The outer product, factored: u_ij = f T_i b_j + s bias with T_i = W a_i (hidden, dim) and f = s / S; then
// dropout and residual. Columns of the output outermost, a panel at a time, and slabs of tokens: a slab's T
// and the columns of W it needs stay in the second-level cache.
#include "cpu.h"
#include "mask.h"
#include "tile.h"

#include <string.h>

enum { SLAB = 48 };

// The columns of the output that are worked on, and scratch: W and T for these columns, as panels. Forward: v
// (e, c, column), t (token of the slab, e, column). Backward, where T_i is on the right the other way around:
// v (column, panel of e, c), t (token, panel of e, column); v_back, v as da needs it: (panel of c, e,
// column); dv (e, c, column), dt (e, token, column). u: (j, column).
typedef struct {
  int hidden, first, count;
  float *v, *t, *u, *factors, *v_back, *dv, *dt;
} block;

static block cut(tt_cutter *c, int hidden, int length) {
  block k = {.hidden = hidden};
  k.v = tt_cut_floats(c, tt_panels_size((int64_t)hidden * TT_PANEL, hidden));
  k.t = tt_cut_floats(c, tt_panels_size(SLAB * TT_PANEL, hidden));
  k.u = tt_cut_floats(c, (size_t)length * TT_PANEL);
  k.factors = tt_cut_floats(c, TT_PANEL);
  k.v_back = tt_cut_floats(c, tt_panels_size((int64_t)hidden * TT_PANEL, hidden));
  k.dv = tt_cut_floats(c, (size_t)hidden * (size_t)hidden * TT_PANEL);
  k.dt = tt_cut_floats(c, SLAB * (size_t)hidden * TT_PANEL);
  return k;
}

size_t TT_CPU(outer_product_scratch)(int hidden, int length) {
  tt_cutter c = {0};
  cut(&c, hidden, length);
  return c.used;
}

static void choose_columns(block *k, int first, int dim) {
  k->first = first, k->count = tt_panel_width(dim, first);
}

static float bias_factor(const tt_batch *batch, int molecule) {
  return (float)(1.0 / (1e-3 + 1.0 / batch->scaling_length[molecule]));
}

static float product_factor(const tt_batch *batch, int molecule) {
  return (float)(1.0 / (1e-3 * batch->scaling_length[molecule] + 1.0));
}

// v, from W (dim, hidden, hidden): element (e, c, column) is W_column,c,e
static void pack_forward(const block *k, const float *w) {
  int64_t hidden = k->hidden;
  for (int c = 0; c < hidden; c++) TT_CPU(transpose)
  (k->count, k->hidden, w + k->first * hidden * hidden + c * hidden, hidden * hidden, false,
   k->v + c * TT_PANEL, hidden * TT_PANEL);
}

// t of a slab's tokens; a: a row every 2 * hidden
static void expand(const block *k, const float *a, int64_t tokens) {
  int64_t hidden = k->hidden;
  for (int e = 0; e < hidden; e++) TT_CPU(panel_product)
  (tokens, k->count, k->hidden, tt_left_rows(a, 2 * hidden), k->v + e * hidden * TT_PANEL, 0, NULL, false,
   (tt_target){k->t + e * TT_PANEL, hidden * TT_PANEL, 0, false});
}

// A token's rows of the result: `pair` is its first one.
static void finish(const block *k, tt_mask_rows *mask, int64_t pair, int length, int dim, float f, float s,
                   const float *bias, const float *residual, float *out) {
  for (int j = 0; j < length; j++) {
    const float *factor = TT_CPU(mask_slice)(mask, pair + j, k->first, k->count), *u = k->u + j * TT_PANEL;
    int64_t at = (pair + j) * dim + k->first;
    float *to = out + at;
    if (residual != NULL) {
      const float *from = residual + at;
      TT_INDEPENDENT
      for (int c = 0; c < k->count; c++) to[c] = from[c] + factor[c] * (f * u[c] + s * bias[c]);
    } else {
      TT_INDEPENDENT
      for (int c = 0; c < k->count; c++) to[c] = factor[c] * (f * u[c] + s * bias[c]);
    }
  }
}

void TT_CPU(outer_product)(const tt_drop *drop, int hidden, int dim, const float *ab, tt_weights at,
                           const float *residual, float *out, float *scratch) {
  const tt_batch *batch = drop->batch;
  if (batch->tokens == 0) return;
  block k = cut(&(tt_cutter){scratch, 0}, hidden, batch->max_length);
  for (int first = 0; first < dim; first += TT_PANEL) {
    choose_columns(&k, first, dim);
    pack_forward(&k, at.w);
    tt_mask_rows mask = TT_CPU(mask_rows)(drop, drop->dropout, k.count, k.factors);
    for (int64_t slab = 0; slab < batch->tokens; slab += SLAB) {
      int64_t end = slab + SLAB < batch->tokens ? slab + SLAB : batch->tokens;
      expand(&k, ab + slab * 2 * hidden, end - slab);
      for (int64_t token = slab; token < end; token++) {
        int m = batch->token_molecule[token], length = batch->length[m];
        int64_t start = batch->token_offset[m], pair = batch->pair_offset[m] + (token - start) * length;
        TT_CPU(panel_product)
        (length, k.count, hidden, tt_left_rows(ab + start * 2 * hidden + hidden, 2 * hidden),
         k.t + (token - slab) * hidden * TT_PANEL, 0, NULL, false, (tt_target){k.u, TT_PANEL, 0, false});
        finish(&k, &mask, pair, length, dim, product_factor(batch, m), bias_factor(batch, m), at.b + first,
               residual, out);
      }
    }
  }
}

// ---- backward ----

// u = f * mask * dout of a token's rows
static void start_backward(const block *k, tt_mask_rows *mask, int64_t pair, int length, int dim, float f,
                           const float *dout) {
  for (int j = 0; j < length; j++) {
    const float *factor = TT_CPU(mask_slice)(mask, pair + j, k->first, k->count);
    const float *from = dout + (pair + j) * dim + k->first;
    float *u = k->u + j * TT_PANEL;
    TT_INDEPENDENT
    for (int c = 0; c < k->count; c++) u[c] = f * factor[c] * from[c];
  }
}

// Floats of the panels of T of one token, and of one column of W, in the backward.
static int64_t token_panels(const block *k) {
  return (int64_t)tt_panels_size(k->count, k->hidden);
}
static int64_t column_panels(const block *k) {
  return (int64_t)tt_panels_size(k->hidden, k->hidden);
}

static void pack_backward(const block *k, const float *w) {
  int64_t hidden = k->hidden;
  for (int p = 0; p < k->count; p++) {
    const float *column = w + (k->first + p) * hidden * hidden; // (c, e)
    TT_CPU(pack)(column, hidden, k->hidden, k->hidden, k->v + p * column_panels(k));
    for (int c = 0; c < hidden; c += TT_PANEL) TT_CPU(transpose)
    (tt_panel_width(hidden, c), k->hidden, column + c * hidden, hidden, false,
     k->v_back + (c / TT_PANEL * hidden * k->count + p) * TT_PANEL, k->count * TT_PANEL);
  }
}

static void expand_backward(const block *k, const float *a, int64_t tokens) {
  for (int p = 0; p < k->count; p++) TT_CPU(panel_product)
  (tokens, k->hidden, k->hidden, tt_left_rows(a, 2 * k->hidden), k->v + p * column_panels(k),
   (int64_t)k->hidden * TT_PANEL, NULL, false,
   (tt_target){k->t + p * TT_PANEL, token_panels(k), (int64_t)k->count * TT_PANEL, false});
}

// From u: the token's dT, and what it adds to db of its molecule, whose a and b start at `ab`.
static void token_backward(const block *k, int length, int64_t token, const float *ab, float *dab) {
  int hidden = k->hidden, count = k->count;
  TT_CPU(panel_product)
  (hidden, count, length, tt_left_transposed(ab + hidden, 2 * hidden), k->u, 0, NULL, false,
   (tt_target){k->dt + token * TT_PANEL, SLAB * TT_PANEL, 0, false});
  TT_CPU(panel_product)
  (length, hidden, count, tt_left_rows(k->u, TT_PANEL), k->t + token * token_panels(k),
   (int64_t)count * TT_PANEL, NULL, true, tt_target_rows(dab + hidden, 2 * hidden));
}

// From dT of a slab: da, and what it adds to dV.
static void slab_backward(const block *k, int64_t tokens, bool add, const float *ab, float *dab) {
  int64_t hidden = k->hidden, depth = hidden * k->count;
  TT_CPU(panel_product)
  (tokens, k->hidden, (int)depth, (tt_left){k->dt, TT_PANEL, 1, k->count, SLAB * TT_PANEL}, k->v_back,
   depth * TT_PANEL, NULL, true, tt_target_rows(dab, 2 * hidden));
  for (int e = 0; e < hidden; e++) TT_CPU(panel_product)
  (hidden, k->count, (int)tokens, tt_left_transposed(ab, 2 * hidden), k->dt + e * SLAB * TT_PANEL, 0, NULL,
   add, (tt_target){k->dv + e * hidden * TT_PANEL, TT_PANEL, 0, false});
}

void TT_CPU(outer_product_backward)(const tt_drop *drop, int hidden, int dim, const float *dout,
                                    const float *ab, const float *w, float *dab, tt_gradients gradient,
                                    float *scratch) {
  const tt_batch *batch = drop->batch;
  int64_t row = 2 * hidden, area = (int64_t)hidden * hidden;
  if (batch->tokens == 0) return; // no slab would set dv
  block k = cut(&(tt_cutter){scratch, 0}, hidden, batch->max_length);
  memset(dab, 0, (size_t)(batch->tokens * row) * sizeof *dab);
  for (int first = 0; first < dim; first += TT_PANEL) {
    choose_columns(&k, first, dim);
    pack_backward(&k, w);
    tt_mask_rows mask = TT_CPU(mask_rows)(drop, drop->dropout, k.count, k.factors);
    for (int64_t slab = 0; slab < batch->tokens; slab += SLAB) {
      int64_t end = slab + SLAB < batch->tokens ? slab + SLAB : batch->tokens;
      expand_backward(&k, ab + slab * row, end - slab);
      for (int64_t token = slab; token < end; token++) {
        int m = batch->token_molecule[token], length = batch->length[m];
        int64_t start = batch->token_offset[m], pair = batch->pair_offset[m] + (token - start) * length;
        start_backward(&k, &mask, pair, length, dim, product_factor(batch, m), dout);
        TT_CPU(tile_column_sums) // the bias was multiplied by s = S f
        ((tt_tile){k.u, length}, length, k.count, (float)batch->scaling_length[m], gradient.b + first);
        token_backward(&k, length, token - slab, ab + start * row, dab + start * row);
      }
      slab_backward(&k, end - slab, slab > 0, ab + slab * row, dab + slab * row);
    }
    for (int c = 0; c < hidden; c++) TT_CPU(transpose)
    (hidden, k.count, k.dv + c * TT_PANEL, hidden * TT_PANEL, true,
     gradient.w + first * area + (int64_t)c * hidden, (int64_t)area);
  }
}
