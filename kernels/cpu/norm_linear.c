// Linear maps of a normalised row: LayerNorm and products while a tile of rows is in the cache.
#include "cpu.h"
#include "operand.h"

enum { BLOCK = 8 * TT_PANEL }; // columns of dy in a tile

// Scratch: tiles of the normalised rows, of their gradient and of a block of dy; the maps' panels.
typedef struct {
  int64_t height;
  tt_tile z, dz, dy;
  float *panels[TT_MOST_MAPS];
} pieces;

static pieces cut(tt_cutter *c, bool backward, int64_t rows, int dim, const int *out, int count) {
  int widest = backward && dim < BLOCK ? BLOCK : dim;
  pieces p = {.height = TT_CPU(tile_height)(rows, widest)};
  p.z = tt_cut_tile(c, dim, widest, p.height);
  if (backward) {
    p.dz = tt_cut_tile(c, dim, widest, p.height);
    p.dy = tt_cut_tile(c, BLOCK, widest, p.height);
  }
  for (int k = 0; k < count; k++)
    p.panels[k] = tt_cut_floats(c, backward ? tt_panels_size(out[k], dim) : tt_panels_size(dim, out[k]));
  return p;
}

size_t TT_DENSE(norm_linear_scratch)(int dim, const int *out, int count) {
  tt_cutter forward = {0}, backward = {0};
  cut(&forward, false, 0, dim, out, count), cut(&backward, true, 0, dim, out, count);
  return forward.used > backward.used ? forward.used : backward.used;
}

void TT_DENSE(norm_linear)(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                           const tt_map *maps, int count, float *scratch) {
  if (rows == 0) return;
  int out[TT_MOST_MAPS] = {0};
  for (int k = 0; k < count; k++) out[k] = maps[k].out;
  pieces p = cut(&(tt_cutter){scratch, 0}, false, rows, dim, out, count);
  for (int k = 0; k < count; k++)
    TT_DENSE(operand_weights_transposed)(maps[k].at.w, dim, out[k], dim, p.panels[k]);
  for (int64_t row = 0; row < rows; row += p.height) {
    int64_t tall = rows - row < p.height ? rows - row : p.height;
    TT_CPU(norm_rows)(x + row * dim, tall, dim, norm, tt_statistics_from(s, row), true, tt_view_tile(p.z));
    tt_operand a = TT_DENSE(operand_tile)(p.z, tall, dim);
    for (int k = 0; k < count; k++) {
      const tt_map *map = &maps[k];
      TT_DENSE(operand_product)
      (tall, map->out, dim, a, p.panels[k], dim, map->at.b, false,
       tt_target_rows(map->y + row * map->out, map->out));
    }
  }
}

void TT_DENSE(norm_linear_backward)(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                                    const tt_map_gradient *maps, int count, float *dx, tt_gradients dnorm,
                                    float *scratch) {
  if (rows == 0) return;
  int out[TT_MOST_MAPS] = {0};
  for (int k = 0; k < count; k++) out[k] = maps[k].out;
  pieces p = cut(&(tt_cutter){scratch, 0}, true, rows, dim, out, count);
  for (int k = 0; k < count; k++) TT_DENSE(operand_weights)(maps[k].at.w, dim, out[k], dim, p.panels[k]);
  for (int64_t row = 0; row < rows; row += p.height) {
    int64_t tall = rows - row < p.height ? rows - row : p.height;
    tt_statistics at = tt_statistics_from(s, row);
    TT_CPU(norm_rows)(x + row * dim, tall, dim, norm, at, false, tt_view_tile(p.z));
    tt_operand a = TT_DENSE(operand_tile)(p.z, tall, dim);
    for (int k = 0; k < count; k++)
      for (int first = 0; first < out[k]; first += BLOCK) {
        int wide = out[k] - first < BLOCK ? out[k] - first : BLOCK;
        tt_gradients gradient = maps[k].gradient;
        TT_CPU(tile_load)(maps[k].dy + row * out[k] + first, out[k], tall, wide, p.dy);
        if (gradient.b != NULL) TT_CPU(tile_column_sums)(p.dy, tall, wide, 1.0f, gradient.b + first);
        tt_operand b = TT_DENSE(operand_tile)(p.dy, tall, wide);
        TT_DENSE(operand_weight_gradient)(tall, wide, dim, b, a, gradient.w + (int64_t)first * dim, dim);
        TT_DENSE(operand_product)
        (tall, dim, wide, b, TT_DENSE(operand_from)(p.panels[k], first), out[k], NULL, k > 0 || first > 0,
         tt_target_tile(p.dz));
      }
    TT_CPU(norm_rows_backward)
    (tt_view_tile(p.dz), x + row * dim, tall, dim, norm.w, at, true, dx + row * dim, dnorm);
  }
}
