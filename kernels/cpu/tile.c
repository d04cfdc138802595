#include "tile.h"

#include <string.h>

enum { FLOATS = 128 * 1024, LEAST = 8 * TT_GROUP };

static int64_t most_rows(int widest) {
  int64_t rows = FLOATS / widest / TT_GROUP * TT_GROUP;
  return rows < LEAST ? LEAST : rows > TT_TILE_ROWS ? TT_TILE_ROWS : rows;
}

int64_t TT_CPU(tile_height)(int64_t rows, int widest) {
  int64_t tiles = (rows + most_rows(widest) - 1) / most_rows(widest);
  return tiles == 0 ? 0 : ((rows + tiles - 1) / tiles + TT_GROUP - 1) / TT_GROUP * TT_GROUP;
}

size_t TT_CPU(tile_size)(int columns, int widest) {
  return tt_panels_size(most_rows(widest), columns) + 16;
}

void TT_CPU(tile_load)(const float *x, int64_t stride, int64_t rows, int columns, tt_tile t) {
  for (int64_t r = 0; r < rows; r++, x += stride)
    for (int first = 0; first < columns; first += TT_PANEL) {
      float *to = t.at + (first / TT_PANEL * t.height + r) * TT_PANEL;
      if (columns - first >= TT_PANEL)
        memcpy(to, x + first, TT_PANEL * sizeof *x);
      else
        memcpy(to, x + first, (size_t)(columns - first) * sizeof *x);
    }
}

void TT_CPU(tile_column_sums)(tt_tile t, int64_t rows, int columns, float scale, float *sums) {
  for (int first = 0; first < columns; first += TT_PANEL, t.at += t.height * TT_PANEL) {
    int count = tt_panel_width(columns, first);
    tt_lanes sum[TT_VECTORS] = {0};
    for (int64_t r = 0; r < rows; r++)
      for (int v = 0; v < TT_VECTORS; v++) sum[v] += TT_LOAD(t.at + r * TT_PANEL + v * TT_LANES);
    for (int c = 0; c < count; c++) sums[first + c] += scale * sum[c / TT_LANES][c % TT_LANES];
  }
}
