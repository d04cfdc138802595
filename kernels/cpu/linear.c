// Linear layers, a tile of rows at a time: alone, and at the end of a residual branch.
#include "branch.h"
#include "cpu.h"
#include "operand.h"

// Scratch: the matrix as panels; tiles of both sides; factors of a mask.
typedef struct {
  float *panels, *factors;
  int64_t height;
  tt_tile x, y;
} pieces;

// `alone`: for linear's forward, whose result goes straight to its rows.
static pieces cut(tt_cutter *c, bool alone, int64_t rows, int in, int out) {
  int widest = alone || in > out ? in : out;
  pieces p = {.height = TT_CPU(tile_height)(rows, widest)};
  p.panels = tt_cut_floats(c, tt_panels_either(in, out));
  p.x = tt_cut_tile(c, in, widest, p.height);
  if (alone) return p;
  p.y = tt_cut_tile(c, out, widest, p.height);
  p.factors = tt_cut_floats(c, tt_mask_rows_size(TT_ROWS_PAIRS, out, 0));
  return p;
}

size_t TT_DENSE(linear_scratch)(int in, int out) {
  tt_cutter alone = {0}, others = {0};
  cut(&alone, true, 0, in, out), cut(&others, false, 0, in, out);
  return alone.used > others.used ? alone.used : others.used;
}

void TT_DENSE(linear)(const float *x, int64_t rows, int in, int out, tt_weights at, float *y,
                      float *scratch) {
  if (rows == 0) return;
  pieces p = cut(&(tt_cutter){scratch, 0}, true, rows, in, out);
  TT_DENSE(operand_weights_transposed)(at.w, in, out, in, p.panels);
  for (int64_t row = 0; row < rows; row += p.height) {
    int64_t count = rows - row < p.height ? rows - row : p.height;
    tt_operand a = TT_DENSE(operand_rows)(x + row * in, in, count, in, p.x);
    TT_DENSE(operand_product)
    (count, out, in, a, p.panels, in, at.b, false, tt_target_rows(y + row * out, out));
  }
}

// What the gradient in p.y of `count` rows gives: dw, db and, where wanted, dx.
static void tile_backward(const pieces *p, const float *x, int64_t count, int in, int out, float *dx,
                          bool accumulate, tt_gradients gradient) {
  TT_CPU(tile_load)(x, in, count, in, p->x);
  if (gradient.b != NULL) TT_CPU(tile_column_sums)(p->y, count, out, 1.0f, gradient.b);
  tt_operand a = TT_DENSE(operand_tile)(p->y, count, out);
  TT_DENSE(operand_weight_gradient)
  (count, out, in, a, TT_DENSE(operand_tile)(p->x, count, in), gradient.w, in);
  if (dx != NULL) TT_DENSE(operand_product)
  (count, in, out, a, p->panels, out, NULL, accumulate, tt_target_rows(dx, in));
}

void TT_DENSE(linear_backward)(const float *dy, const float *x, int64_t rows, int in, int out, const float *w,
                               float *dx, bool accumulate, tt_gradients gradient, float *scratch) {
  if (rows == 0) return;
  pieces p = cut(&(tt_cutter){scratch, 0}, false, rows, in, out);
  if (dx != NULL) TT_DENSE(operand_weights)(w, in, out, in, p.panels);
  for (int64_t row = 0; row < rows; row += p.height) {
    int64_t count = rows - row < p.height ? rows - row : p.height;
    TT_CPU(tile_load)(dy + row * out, out, count, out, p.y);
    tile_backward(&p, x + row * in, count, in, out, dx ? dx + row * in : NULL, accumulate, gradient);
  }
}

void TT_DENSE(linear_residual)(const tt_drop *drop, const float *x, int64_t rows, int in, int out_dim,
                               tt_weights at, const float *residual, float *out, float *scratch) {
  if (rows == 0) return;
  pieces p = cut(&(tt_cutter){scratch, 0}, false, rows, in, out_dim);
  tt_mask_rows mask = TT_CPU(mask_rows)(drop, drop->dropout, out_dim, p.factors);
  TT_DENSE(operand_weights_transposed)(at.w, in, out_dim, in, p.panels);
  for (int64_t row = 0; row < rows; row += p.height) {
    int64_t count = rows - row < p.height ? rows - row : p.height;
    tt_operand a = TT_DENSE(operand_rows)(x + row * in, in, count, in, p.x);
    TT_DENSE(operand_product)
    (count, out_dim, in, a, p.panels, in, at.b, false, tt_target_tile(p.y));
    TT_CPU(branch_end)
    (&mask, row, count, out_dim, p.y, residual ? residual + row * out_dim : NULL, out + row * out_dim);
  }
}

void TT_DENSE(linear_residual_backward)(const tt_drop *drop, const float *dout, const float *x, int64_t rows,
                                        int in, int out_dim, const float *w, float *dx, tt_gradients gradient,
                                        float *scratch) {
  if (rows == 0) return;
  pieces p = cut(&(tt_cutter){scratch, 0}, false, rows, in, out_dim);
  tt_mask_rows mask = TT_CPU(mask_rows)(drop, drop->dropout, out_dim, p.factors);
  TT_DENSE(operand_weights)(w, in, out_dim, in, p.panels);
  for (int64_t row = 0; row < rows; row += p.height) {
    int64_t count = rows - row < p.height ? rows - row : p.height;
    TT_CPU(branch_end_backward)(&mask, row, count, out_dim, dout + row * out_dim, p.y);
    tile_backward(&p, x + row * in, count, in, out_dim, dx + row * in, false, gradient);
  }
}
