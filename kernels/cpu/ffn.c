// The feed-forward branch, a tile of rows at a time: LayerNorm, both products, GELU, dropout and residual
// while it is in the cache.
#include "branch.h"
#include "cpu.h"
#include "operand.h"

// Scratch: panels of both matrices; tiles for whichever is wider, dim or hidden; factors of both masks.
typedef struct {
  float *first, *second, *outer_factors, *inner_factors;
  int64_t height;
  tt_tile x, a, slope;
  tt_mask_rows outer, inner;
} pieces;

static pieces cut(tt_cutter *c, int64_t rows, int dim, int hidden) {
  int most = dim > hidden ? dim : hidden;
  pieces p = {.height = TT_CPU(tile_height)(rows, most)};
  p.first = tt_cut_floats(c, tt_panels_either(dim, hidden));
  p.second = tt_cut_floats(c, tt_panels_either(dim, hidden));
  p.x = tt_cut_tile(c, most, most, p.height);
  p.a = tt_cut_tile(c, most, most, p.height);
  p.slope = tt_cut_tile(c, most, most, p.height);
  p.outer_factors = tt_cut_floats(c, tt_mask_rows_size(TT_ROWS_PAIRS, dim, 0));
  p.inner_factors = tt_cut_floats(c, tt_mask_rows_size(TT_ROWS_PAIRS, hidden, 0));
  return p;
}

size_t TT_DENSE(ffn_scratch)(int dim, int hidden) {
  tt_cutter c = {0};
  cut(&c, 0, dim, hidden);
  return c.used;
}

static pieces begin(const tt_ffn *f, float *scratch) {
  pieces p = cut(&(tt_cutter){scratch, 0}, f->rows, f->dim, f->hidden);
  p.outer = TT_CPU(mask_rows)(&f->drop, f->drop.dropout, f->dim, p.outer_factors);
  p.inner = TT_CPU(mask_rows)(&f->drop, f->inner, f->hidden, p.inner_factors);
  return p;
}

// a = inner mask * GELU(h); slope = inner mask * GELU'(h) where it is wanted
static void activate(tt_mask_rows *mask, int64_t row, int64_t rows, int hidden, const float *h, tt_tile a,
                     const tt_tile *slope) {
  for (int64_t r = 0; r < rows; r++, h += hidden) {
    const float *factors = TT_CPU(mask_row)(mask, row + r);
    for (int first = 0; first < hidden; first += TT_PANEL) {
      int64_t place = (first / TT_PANEL * a.height + r) * TT_PANEL;
      const float *from = h + first, *factor = factors + first;
      float *to = a.at + place;
      int count = tt_panel_width(hidden, first);
      if (slope != NULL) {
        float *to_slope = slope->at + place;
        TT_INDEPENDENT
        for (int c = 0; c < count; c++) {
          float value, derivative;
          tt_gelu_both(from[c], &value, &derivative);
          to[c] = factor[c] * value;
          to_slope[c] = factor[c] * derivative;
        }
      } else {
        TT_INDEPENDENT
        for (int c = 0; c < count; c++) to[c] = factor[c] * tt_gelu(from[c]);
      }
    }
  }
}

static void multiply(int64_t rows, int columns, tt_tile a, tt_tile b) {
  for (int first = 0; first < columns;
       first += TT_PANEL) { // whole panels: what is beside the columns is never read
    float *to = a.at + first / TT_PANEL * a.height * TT_PANEL;
    const float *factor = b.at + first / TT_PANEL * b.height * TT_PANEL;
    TT_INDEPENDENT
    for (int64_t e = 0; e < rows * TT_PANEL; e++) to[e] *= factor[e];
  }
}

void TT_DENSE(ffn)(const tt_ffn *f, const float *x, const float *residual, float *h, tt_statistics s,
                   float *out, float *scratch) {
  int dim = f->dim, hidden = f->hidden;
  if (f->rows == 0) return;
  pieces p = begin(f, scratch);
  tt_tile z = p.x, a = p.a;
  TT_DENSE(operand_weights_transposed)(f->first.w, dim, hidden, dim, p.first);
  TT_DENSE(operand_weights_transposed)(f->second.w, hidden, dim, hidden, p.second);
  for (int64_t row = 0; row < f->rows; row += p.height) {
    int64_t rows = f->rows - row < p.height ? f->rows - row : p.height;
    float *h_rows = h + row * hidden;
    TT_CPU(norm_rows)(x + row * dim, rows, dim, f->norm, tt_statistics_from(s, row), true, tt_view_tile(z));
    TT_DENSE(operand_product)
    (rows, hidden, dim, TT_DENSE(operand_tile)(z, rows, dim), p.first, dim, f->first.b, false,
     tt_target_rows(h_rows, hidden));
    activate(&p.inner, row, rows, hidden, h_rows, a, NULL);
    TT_DENSE(operand_product)
    (rows, dim, hidden, TT_DENSE(operand_tile)(a, rows, hidden), p.second, hidden, f->second.b, false,
     tt_target_tile(z));
    TT_CPU(branch_end)(&p.outer, row, rows, dim, z, residual ? residual + row * dim : NULL, out + row * dim);
  }
}

void TT_DENSE(ffn_backward)(const tt_ffn *f, const float *x, const float *h, tt_statistics s, float *d,
                            tt_gradients dnorm, tt_gradients dfirst, tt_gradients dsecond, float *scratch) {
  int dim = f->dim, hidden = f->hidden;
  if (f->rows == 0) return;
  pieces p = begin(f, scratch);
  tt_tile u = p.x, a = p.a, slope = p.slope;
  TT_DENSE(operand_weights)(f->first.w, dim, hidden, dim, p.first);
  TT_DENSE(operand_weights)(f->second.w, hidden, dim, hidden, p.second);
  for (int64_t row = 0; row < f->rows; row += p.height) {
    int64_t rows = f->rows - row < p.height ? f->rows - row : p.height;
    tt_statistics at = tt_statistics_from(s, row);
    TT_CPU(branch_end_backward)(&p.outer, row, rows, dim, d + row * dim, u);
    activate(&p.inner, row, rows, hidden, h + row * hidden, a, &slope);
    if (dsecond.b != NULL) TT_CPU(tile_column_sums)(u, rows, dim, 1.0f, dsecond.b);
    tt_operand du = TT_DENSE(operand_tile)(u, rows, dim);
    TT_DENSE(operand_weight_gradient)
    (rows, dim, hidden, du, TT_DENSE(operand_tile)(a, rows, hidden), dsecond.w, hidden);
    tt_tile dh = a;
    TT_DENSE(operand_product)
    (rows, hidden, dim, du, p.second, dim, NULL, false, tt_target_tile(dh));
    multiply(rows, hidden, dh, slope);
    TT_CPU(tile_column_sums)(dh, rows, hidden, 1.0f, dfirst.b);
    tt_tile z = u;
    TT_CPU(norm_rows)(x + row * dim, rows, dim, f->norm, at, false, tt_view_tile(z));
    tt_operand d_inner = TT_DENSE(operand_tile)(dh, rows, hidden);
    TT_DENSE(operand_weight_gradient)
    (rows, hidden, dim, d_inner, TT_DENSE(operand_tile)(z, rows, dim), dfirst.w, dim);
    tt_tile dz = z;
    TT_DENSE(operand_product)
    (rows, dim, hidden, d_inner, p.first, hidden, NULL, false, tt_target_tile(dz));
    TT_CPU(norm_rows_backward)
    (tt_view_tile(dz), x + row * dim, rows, dim, f->norm.w, at, !f->branch_only, d + row * dim, dnorm);
  }
}
