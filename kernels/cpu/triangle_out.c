// The end of the triangle branch, a tile of rows at a time: LayerNorm, product, gate, shared dropout and
// residual.
#include "cpu.h"
#include "mask.h"
#include "operand.h"

// Scratch: the matrix as panels, both ways; tiles of its two sides; a molecule's mask.
typedef struct {
  float *panels, *back, *factors;
  int64_t height;
  tt_tile z, u;
} pieces;

static pieces cut(tt_cutter *c, int64_t pairs, int hidden, int dim, int length) {
  int widest = hidden > dim ? hidden : dim;
  pieces p = {.height = TT_CPU(tile_height)(pairs, widest)};
  p.panels = tt_cut_floats(c, tt_panels_size(hidden, dim));
  p.back = tt_cut_floats(c, tt_panels_size(dim, hidden));
  p.z = tt_cut_tile(c, hidden, widest, p.height);
  p.u = tt_cut_tile(c, dim, widest, p.height);
  p.factors = tt_cut_floats(c, tt_mask_rows_size(TT_ROWS_PAIRS_SHARED, dim, length));
  return p;
}

size_t TT_DENSE(triangle_out_scratch)(int hidden, int dim, int length) {
  tt_cutter c = {0};
  cut(&c, 0, hidden, dim, length);
  return c.used;
}

static void gate_end(tt_mask_rows *mask, int64_t row, int64_t rows, int dim, tt_tile u, const float *gate,
                     const float *residual, float *out) {
  for (int64_t r = 0; r < rows; r++, gate += dim, out += dim) {
    const float *factors = TT_CPU(mask_row)(mask, row + r);
    for (int first = 0; first < dim; first += TT_PANEL) {
      const float *branch = u.at + (first / TT_PANEL * u.height + r) * TT_PANEL;
      const float *factor = factors + first, *g = gate + first;
      float *to = out + first;
      int count = tt_panel_width(dim, first);
      if (residual != NULL) {
        const float *from = residual + r * dim + first;
        TT_INDEPENDENT
        for (int c = 0; c < count; c++) to[c] = from[c] + factor[c] * (g[c] * branch[c]);
      } else {
        TT_INDEPENDENT
        for (int c = 0; c < count; c++) to[c] = factor[c] * (g[c] * branch[c]);
      }
    }
  }
}

// dgate = mask * dout * u; u becomes mask * dout * gate
static void gate_end_backward(tt_mask_rows *mask, int64_t row, int64_t rows, int dim, const float *dout,
                              const float *gate, tt_tile u, float *dgate) {
  for (int64_t r = 0; r < rows; r++, dout += dim, gate += dim, dgate += dim) {
    const float *factors = TT_CPU(mask_row)(mask, row + r);
    for (int first = 0; first < dim; first += TT_PANEL) {
      const float *from = dout + first, *factor = factors + first, *g = gate + first;
      float *branch = u.at + (first / TT_PANEL * u.height + r) * TT_PANEL, *to = dgate + first;
      int count = tt_panel_width(dim, first);
      TT_INDEPENDENT
      for (int c = 0; c < count; c++) { // dgate may be gate: read first
        float masked = factor[c] * from[c], value = branch[c];
        branch[c] = masked * g[c];
        to[c] = masked * value;
      }
    }
  }
}

void TT_DENSE(triangle_out)(const tt_drop *drop, int hidden, int dim, const float *t, tt_weights norm,
                            tt_statistics s, tt_weights at, const float *gate, const float *residual,
                            float *out, float *scratch) {
  int64_t pairs = drop->batch->pairs;
  if (pairs == 0) return;
  pieces p = cut(&(tt_cutter){scratch, 0}, pairs, hidden, dim, drop->batch->max_length);
  tt_tile z = p.z, u = p.u;
  tt_mask_rows mask = TT_CPU(mask_rows)(drop, drop->dropout, dim, p.factors);
  TT_DENSE(operand_weights_transposed)(at.w, hidden, dim, hidden, p.panels);
  for (int64_t row = 0; row < pairs; row += p.height) {
    int64_t rows = pairs - row < p.height ? pairs - row : p.height;
    TT_CPU(norm_rows)
    (t + row * hidden, rows, hidden, norm, tt_statistics_from(s, row), true, tt_view_tile(z));
    TT_DENSE(operand_product)
    (rows, dim, hidden, TT_DENSE(operand_tile)(z, rows, hidden), p.panels, hidden, at.b, false,
     tt_target_tile(u));
    gate_end(&mask, row, rows, dim, u, gate + row * dim, residual ? residual + row * dim : NULL,
             out + row * dim);
  }
}

void TT_DENSE(triangle_out_backward)(const tt_drop *drop, int hidden, int dim, const float *dout,
                                     const float *t, tt_weights norm, tt_statistics s, tt_weights at,
                                     const float *gate, float *dgate, float *dt, tt_gradients dnorm,
                                     tt_gradients gradient, float *scratch) {
  int64_t pairs = drop->batch->pairs;
  if (pairs == 0) return;
  pieces p = cut(&(tt_cutter){scratch, 0}, pairs, hidden, dim, drop->batch->max_length);
  tt_tile z = p.z, u = p.u;
  tt_mask_rows mask = TT_CPU(mask_rows)(drop, drop->dropout, dim, p.factors);
  TT_DENSE(operand_weights_transposed)(at.w, hidden, dim, hidden, p.panels);
  TT_DENSE(operand_weights)(at.w, hidden, dim, hidden, p.back);
  for (int64_t row = 0; row < pairs; row += p.height) {
    int64_t rows = pairs - row < p.height ? pairs - row : p.height;
    tt_statistics here = tt_statistics_from(s, row);
    TT_CPU(norm_rows)(t + row * hidden, rows, hidden, norm, here, false, tt_view_tile(z));
    tt_operand a = TT_DENSE(operand_tile)(z, rows, hidden);
    TT_DENSE(operand_product)
    (rows, dim, hidden, a, p.panels, hidden, at.b, false, tt_target_tile(u));
    gate_end_backward(&mask, row, rows, dim, dout + row * dim, gate + row * dim, u, dgate + row * dim);
    TT_CPU(tile_column_sums)(u, rows, dim, 1.0f, gradient.b);
    tt_operand du = TT_DENSE(operand_tile)(u, rows, dim);
    TT_DENSE(operand_weight_gradient)(rows, dim, hidden, du, a, gradient.w, hidden);
    TT_DENSE(operand_product)
    (rows, hidden, dim, du, p.back, dim, NULL, false, tt_target_tile(z));
    TT_CPU(norm_rows_backward)
    (tt_view_tile(z), t + row * hidden, rows, hidden, norm.w, here, false, dt + row * hidden, dnorm);
  }
}
