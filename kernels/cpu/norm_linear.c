// Linear maps of a normalised row: LayerNorm and products while a tile of rows is in the cache.
#include "cpu.h"
#include "operand.h"

enum { BLOCK = 8 * TT_PANEL }; // columns of dy in a tile

static int64_t outs(const int *out, int count) {
  int64_t sum = 0;
  for (int k = 0; k < count; k++) sum += (out[k] + TT_PANEL - 1) / TT_PANEL * TT_PANEL;
  return sum;
}

size_t TT_DENSE(norm_linear_scratch)(int dim, const int *out, int count) {
  int most = dim > BLOCK ? dim : BLOCK;
  size_t forward = tt_panels_size(dim, outs(out, count)), backward = 0;
  for (int k = 0; k < count; k++) backward += tt_panels_size(out[k], dim) + 16;
  return (forward > backward ? forward : backward) + 2 * TT_CPU(tile_size)(dim, most) +
         TT_CPU(tile_size)(BLOCK, most) + 64;
}

void TT_DENSE(norm_linear)(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                           const tt_map *maps, int count, float *scratch) {
  int64_t height = TT_CPU(tile_height)(rows, dim);
  tt_tile z = {tt_cut_floats(&scratch, TT_CPU(tile_size)(dim, dim)), height};
  float *panels[TT_MOST_MAPS];
  for (int k = 0; k < count && rows > 0; k++) {
    panels[k] = tt_cut_floats(&scratch, tt_panels_size(dim, maps[k].out));
    TT_DENSE(operand_weights_transposed)(maps[k].at.w, dim, maps[k].out, dim, panels[k]);
  }
  for (int64_t row = 0; row < rows; row += height) {
    int64_t tall = rows - row < height ? rows - row : height;
    TT_CPU(norm_rows)(x + row * dim, tall, dim, norm, tt_statistics_from(s, row), true, tt_view_tile(z));
    tt_operand a = TT_DENSE(operand_tile)(z, tall, dim);
    for (int k = 0; k < count; k++) {
      const tt_map *map = &maps[k];
      TT_DENSE(operand_product)
      (tall, map->out, dim, a, panels[k], dim, map->at.b, false,
       tt_target_rows(map->y + row * map->out, map->out));
    }
  }
}

void TT_DENSE(norm_linear_backward)(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                                    const tt_map_gradient *maps, int count, float *dx, tt_gradients dnorm,
                                    float *scratch) {
  int most = dim > BLOCK ? dim : BLOCK;
  int64_t height = TT_CPU(tile_height)(rows, most);
  tt_tile z = {tt_cut_floats(&scratch, TT_CPU(tile_size)(dim, most)), height};
  tt_tile dz = {tt_cut_floats(&scratch, TT_CPU(tile_size)(dim, most)), height};
  tt_tile dy = {tt_cut_floats(&scratch, TT_CPU(tile_size)(BLOCK, most)), height};
  float *panels[TT_MOST_MAPS];
  for (int k = 0; k < count && rows > 0; k++) {
    panels[k] = tt_cut_floats(&scratch, tt_panels_size(maps[k].out, dim));
    TT_DENSE(operand_weights)(maps[k].at.w, dim, maps[k].out, dim, panels[k]);
  }
  for (int64_t row = 0; row < rows; row += height) {
    int64_t tall = rows - row < height ? rows - row : height;
    tt_statistics at = tt_statistics_from(s, row);
    TT_CPU(norm_rows)(x + row * dim, tall, dim, norm, at, false, tt_view_tile(z));
    tt_operand a = TT_DENSE(operand_tile)(z, tall, dim);
    for (int k = 0; k < count; k++)
      for (int first = 0; first < maps[k].out; first += BLOCK) {
        int out = maps[k].out, wide = out - first < BLOCK ? out - first : BLOCK;
        tt_gradients gradient = maps[k].gradient;
        TT_CPU(tile_load)(maps[k].dy + row * out + first, out, tall, wide, dy);
        if (gradient.b != NULL) TT_CPU(tile_column_sums)(dy, tall, wide, 1.0f, gradient.b + first);
        tt_operand b = TT_DENSE(operand_tile)(dy, tall, wide);
        TT_DENSE(operand_weight_gradient)(tall, wide, dim, b, a, gradient.w + (int64_t)first * dim, dim);
        TT_DENSE(operand_product)
        (tall, dim, wide, b, TT_DENSE(operand_from)(panels[k], first), out, NULL, k > 0 || first > 0,
         tt_target_tile(dz));
      }
    TT_CPU(norm_rows_backward)
    (tt_view_tile(dz), x + row * dim, tall, dim, norm.w, at, true, dx + row * dim, dnorm);
  }
}
