#include "product.h"
#include "vector.h"

enum { PANEL = 2 * TT_LANES, DEPTH = 256, ROWS = 4 };

// Stores or adds a row of a tile.
static TT_INLINE void store_row(tt_lanes low, tt_lanes high, int columns, bool accumulate, float *c) {
  if (columns == PANEL) {
    if (accumulate) low += TT_LOAD(c), high += TT_LOAD(c + TT_LANES);
    TT_STORE(c, low);
    TT_STORE(c + TT_LANES, high);
  } else if (columns == TT_LANES) {
    if (accumulate) low += TT_LOAD(c);
    TT_STORE(c, low);
  } else {
    float line[PANEL] __attribute__((aligned(64)));
    TT_STORE(line, low);
    TT_STORE(line + TT_LANES, high);
    if (accumulate)
      for (int j = 0; j < columns; j++) c[j] += line[j];
    else
      memcpy(c, line, (size_t)columns * sizeof *c);
  }
}

// Up to 4 rows of c, all columns of a panel of b, whose rows are `b_row` apart. `wide`: the panel is two
// registers wide.
static TT_INLINE void tile(bool wide, int rows, int columns, int depth, float alpha, const float *a,
                           int64_t a_row, int64_t a_column, const float *b, int64_t b_row, bool accumulate,
                           float *c, int64_t c_row) {
  // rows past the end repeat the last one and are not stored
  const float *a0 = a, *a1 = a0 + (rows > 1 ? a_row : 0), *a2 = a1 + (rows > 2 ? a_row : 0);
  const float *a3 = a2 + (rows > 3 ? a_row : 0);
  tt_lanes low0 = {0}, low1 = {0}, low2 = {0}, low3 = {0}, high0 = {0}, high1 = {0}, high2 = {0}, high3 = {0};
  for (int p = 0; p < depth; p++, b += b_row) {
    tt_lanes low = TT_LOAD(b);
    low0 += a0[p * a_column] * low, low1 += a1[p * a_column] * low;
    low2 += a2[p * a_column] * low, low3 += a3[p * a_column] * low;
    if (!wide) continue;
    tt_lanes high = TT_LOAD(b + TT_LANES);
    high0 += a0[p * a_column] * high, high1 += a1[p * a_column] * high;
    high2 += a2[p * a_column] * high, high3 += a3[p * a_column] * high;
  }
  store_row(alpha * low0, alpha * high0, columns, accumulate, c);
  if (rows > 1) store_row(alpha * low1, alpha * high1, columns, accumulate, c + c_row);
  if (rows > 2) store_row(alpha * low2, alpha * high2, columns, accumulate, c + 2 * c_row);
  if (rows > 3) store_row(alpha * low3, alpha * high3, columns, accumulate, c + 3 * c_row);
}

// A panel of b: (depth, width), zeros beside its `columns`.
static TT_INLINE void pack(const float *b, int64_t row, int64_t column, int depth, int columns, int width,
                           float *panel) {
  if (columns < width) memset(panel, 0, (size_t)depth * width * sizeof *panel);
  if (row == 1) {
    TT_CPU(transpose)(columns, depth, b, column, false, panel, width);
    return;
  }
  for (int p = 0; p < depth; p++, b += row, panel += width)
    for (int j = 0; j < columns; j++) panel[j] = b[j * column];
}

void TT_CPU(product)(int m, int n, int k, float alpha, tt_matrix a, tt_matrix b, float *c, int64_t c_row,
                     bool accumulate) {
  float panel[DEPTH * PANEL] __attribute__((aligned(64)));
  for (int p = 0; p < k; p += DEPTH) {
    int depth = k - p < DEPTH ? k - p : DEPTH;
    bool add = accumulate || p > 0;
    for (int j = 0; j < n; j += PANEL) {
      int columns = n - j < PANEL ? n - j : PANEL, width = columns <= TT_LANES ? TT_LANES : PANEL;
      const float *lines = b.at + p * b.row + j * b.column;
      int64_t line = b.row;
      if (b.column != 1 || columns != width) {
        pack(lines, b.row, b.column, depth, columns, width, panel);
        lines = panel, line = width;
      }
      for (int i = 0; i < m; i += ROWS) {
        int rows = m - i < ROWS ? m - i : ROWS;
        const float *from = a.at + i * a.row + p * a.column;
        float *to = c + i * c_row + j;
        if (width == PANEL)
          tile(true, rows, columns, depth, alpha, from, a.row, a.column, lines, line, add, to, c_row);
        else
          tile(false, rows, columns, depth, alpha, from, a.row, a.column, lines, line, add, to, c_row);
      }
    }
  }
}
