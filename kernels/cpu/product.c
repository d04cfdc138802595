#include "product.h"
#include "vector.h"

enum { PANEL = 2 * TT_LANES, DEPTH = 256, ROWS = 4 };

// Adds or stores a tile of up to 4 rows and 32 columns.
static TT_INLINE void store_tile(const tt_lanes (*acc)[2], int rows, int columns, float alpha, float *c,
                                 int64_t c_row, bool accumulate) {
  for (int r = 0; r < rows; r++, c += c_row) {
    tt_lanes low = alpha * acc[r][0], high = alpha * acc[r][1];
    if (columns == PANEL) {
      if (accumulate) low += TT_LOAD(c), high += TT_LOAD(c + TT_LANES);
      TT_STORE(c, low);
      TT_STORE(c + TT_LANES, high);
    } else {
      float line[PANEL];
      TT_STORE(line, low);
      TT_STORE(line + TT_LANES, high);
      if (accumulate)
        for (int j = 0; j < columns; j++) c[j] += line[j];
      else
        for (int j = 0; j < columns; j++) c[j] = line[j];
    }
  }
}

// A panel of b: (depth, 32), or (depth, 16) where no more columns are left, filled with zeros.
static TT_INLINE void pack(const float *b, int64_t row, int64_t column, int depth, int columns, int width,
                           float *panel) {
  for (int p = 0; p < depth; p++, b += row, panel += width) {
    if (column == 1)
      for (int j = 0; j < columns; j++) panel[j] = b[j];
    else
      for (int j = 0; j < columns; j++) panel[j] = b[j * column];
    for (int j = columns; j < width; j++) panel[j] = 0;
  }
}

TT_KERNEL void tt_product(int m, int n, int k, float alpha, tt_matrix a, tt_matrix b, float *c, int64_t c_row,
                          bool accumulate) {
  float panel[DEPTH * PANEL] __attribute__((aligned(64)));
  for (int p0 = 0; p0 < k; p0 += DEPTH) {
    int depth = k - p0 < DEPTH ? k - p0 : DEPTH;
    bool add = accumulate || p0 > 0;
    for (int j = 0; j < n; j += PANEL) {
      int columns = n - j < PANEL ? n - j : PANEL, width = columns <= TT_LANES ? TT_LANES : PANEL;
      pack(b.at + p0 * b.row + j * b.column, b.row, b.column, depth, columns, width, panel);
      for (int i = 0; i < m; i += ROWS) {
        int rows = m - i < ROWS ? m - i : ROWS;
        // rows past the end repeat the last one and are not stored
        const float *a0 = a.at + i * a.row + p0 * a.column;
        const float *a1 = a0 + (rows > 1 ? a.row : 0), *a2 = a1 + (rows > 2 ? a.row : 0),
                    *a3 = a2 + (rows > 3 ? a.row : 0);
        int64_t step = a.column;
        tt_lanes acc[ROWS][2];
        tt_lanes s00 = {0}, s10 = {0}, s20 = {0}, s30 = {0}, s01 = {0}, s11 = {0}, s21 = {0}, s31 = {0};
        const tt_lanes *line = (const tt_lanes *)panel;
        if (width == PANEL)
          for (int p = 0; p < depth; p++, line += 2) {
            tt_lanes low = line[0], high = line[1];
            s00 += a0[p * step] * low, s01 += a0[p * step] * high;
            s10 += a1[p * step] * low, s11 += a1[p * step] * high;
            s20 += a2[p * step] * low, s21 += a2[p * step] * high;
            s30 += a3[p * step] * low, s31 += a3[p * step] * high;
          }
        else
          for (int p = 0; p < depth; p++, line++) {
            s00 += a0[p * step] * line[0];
            s10 += a1[p * step] * line[0];
            s20 += a2[p * step] * line[0];
            s30 += a3[p * step] * line[0];
          }
        acc[0][0] = s00, acc[1][0] = s10, acc[2][0] = s20, acc[3][0] = s30;
        acc[0][1] = s01, acc[1][1] = s11, acc[2][1] = s21, acc[3][1] = s31;
        store_tile((const tt_lanes(*)[2])acc, rows, columns, alpha, c + i * c_row + j, c_row, add);
      }
    }
  }
}
