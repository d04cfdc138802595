#include "vector.h"

enum { ROWS = 128 };

TT_KERNEL void tt_add_column_sums(const float *x, int64_t rows, int columns, float scale, float *sums) {
  for (int64_t start = 0; start < rows; start += ROWS) {
    int64_t end = start + ROWS < rows ? start + ROWS : rows;
    int c = 0;
    for (; c + TT_LANES <= columns; c += TT_LANES) {
      tt_lanes sum = {0};
      for (int64_t r = start; r < end; r++) sum += TT_LOAD(x + r * columns + c);
      TT_STORE(sums + c, TT_LOAD(sums + c) + scale * sum);
    }
    for (; c < columns; c++) {
      float sum = 0;
      for (int64_t r = start; r < end; r++) sum += x[r * columns + c];
      sums[c] += scale * sum;
    }
  }
}

TT_KERNEL void tt_transpose(int rows, int columns, const float *in, int64_t in_stride, float *out,
                            int64_t out_stride) {
  enum { TILE = 16 }; // a tile's source and target lines stay in the first-level cache
  for (int r0 = 0; r0 < rows; r0 += TILE)
    for (int c0 = 0; c0 < columns; c0 += TILE) {
      int r1 = r0 + TILE < rows ? r0 + TILE : rows, c1 = c0 + TILE < columns ? c0 + TILE : columns;
      for (int c = c0; c < c1; c++)
        for (int r = r0; r < r1; r++) out[c * out_stride + r] = in[r * in_stride + c];
    }
}
