// Linear layers, a tile of rows at a time: alone, and at the end of a residual branch.
#include "branch.h"
#include "cpu.h"
#include "operand.h"

size_t TT_DENSE(linear_scratch)(int in, int out, int length) {
  int widest = in > out ? in : out;
  return tt_panels_size(in, out) + tt_panels_size(out, in) + TT_CPU(tile_size)(widest, widest) +
         TT_CPU(tile_size)(widest, widest) + tt_mask_rows_size(TT_ROWS_PAIRS, out, length) + 64;
}

void TT_DENSE(linear)(const float *x, int64_t rows, int in, int out, tt_weights at, float *y,
                      float *scratch) {
  if (rows == 0) return;
  int64_t height = TT_CPU(tile_height)(rows, in);
  float *panels = tt_cut_floats(&scratch, tt_panels_size(in, out));
  tt_tile x_tile = {tt_cut_floats(&scratch, TT_CPU(tile_size)(in, in)), height};
  TT_DENSE(operand_weights_transposed)(at.w, in, out, in, panels);
  for (int64_t row = 0; row < rows; row += height) {
    int64_t count = rows - row < height ? rows - row : height;
    tt_operand a = TT_DENSE(operand_rows)(x + row * in, in, count, in, x_tile);
    TT_DENSE(operand_product)(count, out, in, a, panels, in, at.b, false, tt_target_rows(y + row * out, out));
  }
}

void TT_DENSE(linear_backward)(const float *dy, const float *x, int64_t rows, int in, int out, const float *w,
                               float *dx, bool accumulate, tt_gradients gradient, float *scratch) {
  if (rows == 0) return;
  int widest = in > out ? in : out;
  int64_t height = TT_CPU(tile_height)(rows, widest);
  float *panels = tt_cut_floats(&scratch, tt_panels_size(out, in));
  tt_tile x_tile = {tt_cut_floats(&scratch, TT_CPU(tile_size)(in, widest)), height};
  tt_tile dy_tile = {tt_cut_floats(&scratch, TT_CPU(tile_size)(out, widest)), height};
  if (dx != NULL) TT_DENSE(operand_weights)(w, in, out, in, panels);
  for (int64_t row = 0; row < rows; row += height) {
    int64_t count = rows - row < height ? rows - row : height;
    TT_CPU(tile_load)(x + row * in, in, count, in, x_tile);
    TT_CPU(tile_load)(dy + row * out, out, count, out, dy_tile);
    if (gradient.b != NULL) TT_CPU(tile_column_sums)(dy_tile, count, out, 1.0f, gradient.b);
    tt_operand a = TT_DENSE(operand_tile)(dy_tile, count, out);
    TT_DENSE(operand_weight_gradient)
    (count, out, in, a, TT_DENSE(operand_tile)(x_tile, count, in), gradient.w, in);
    if (dx != NULL) TT_DENSE(operand_product)
    (count, in, out, a, panels, out, NULL, accumulate, tt_target_rows(dx + row * in, in));
  }
}

void TT_DENSE(linear_residual)(const tt_drop *drop, const float *x, int64_t rows, int in, int out_dim,
                               tt_weights at, const float *residual, float *out, float *scratch) {
  if (rows == 0) return;
  int widest = in > out_dim ? in : out_dim;
  int64_t height = TT_CPU(tile_height)(rows, widest);
  float *panels = tt_cut_floats(&scratch, tt_panels_size(in, out_dim));
  tt_tile branch = {tt_cut_floats(&scratch, TT_CPU(tile_size)(out_dim, widest)), height};
  tt_tile x_tile = {tt_cut_floats(&scratch, TT_CPU(tile_size)(in, widest)), height};
  tt_mask_rows mask = TT_CPU(mask_rows)(drop, drop->dropout, out_dim, scratch);
  TT_DENSE(operand_weights_transposed)(at.w, in, out_dim, in, panels);
  for (int64_t row = 0; row < rows; row += height) {
    int64_t count = rows - row < height ? rows - row : height;
    tt_operand a = TT_DENSE(operand_rows)(x + row * in, in, count, in, x_tile);
    TT_DENSE(operand_product)
    (count, out_dim, in, a, panels, in, at.b, false, tt_target_tile(branch));
    TT_CPU(branch_end)
    (&mask, row, count, out_dim, branch, residual ? residual + row * out_dim : NULL, out + row * out_dim);
  }
}

void TT_DENSE(linear_residual_backward)(const tt_drop *drop, const float *dout, const float *x, int64_t rows,
                                        int in, int out_dim, const float *w, float *dx, tt_gradients gradient,
                                        float *scratch) {
  if (rows == 0) return;
  int widest = in > out_dim ? in : out_dim;
  int64_t height = TT_CPU(tile_height)(rows, widest);
  float *panels = tt_cut_floats(&scratch, tt_panels_size(out_dim, in));
  tt_tile branch = {tt_cut_floats(&scratch, TT_CPU(tile_size)(out_dim, widest)), height};
  tt_tile x_tile = {tt_cut_floats(&scratch, TT_CPU(tile_size)(in, widest)), height};
  tt_mask_rows mask = TT_CPU(mask_rows)(drop, drop->dropout, out_dim, scratch);
  TT_DENSE(operand_weights)(w, in, out_dim, in, panels);
  for (int64_t row = 0; row < rows; row += height) {
    int64_t count = rows - row < height ? rows - row : height;
    TT_CPU(branch_end_backward)(&mask, row, count, out_dim, dout + row * out_dim, branch);
    TT_CPU(tile_load)(x + row * in, in, count, in, x_tile);
    if (gradient.b != NULL) TT_CPU(tile_column_sums)(branch, count, out_dim, 1.0f, gradient.b);
    tt_operand a = TT_DENSE(operand_tile)(branch, count, out_dim);
    TT_DENSE(operand_weight_gradient)
    (count, out_dim, in, a, TT_DENSE(operand_tile)(x_tile, count, in), gradient.w, in);
    TT_DENSE(operand_product)
    (count, in, out_dim, a, panels, out_dim, NULL, false, tt_target_rows(dx + row * in, in));
  }
}
