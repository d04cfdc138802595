#include "vector.h"

// Transposes a square of lanes in registers: exchanges its off-diagonal blocks of half its size, then of a
// quarter, ...
static TT_INLINE void transpose_tile(tt_lanes v[TT_LANES]) {
#define LIST(...) __VA_ARGS__
#define EXCHANGE(size, upper, lower)                                                                         \
  for (int i = 0; i < TT_LANES; i++) {                                                                       \
    if (i & size) continue;                                                                                  \
    tt_lanes a = v[i], b = v[i + size];                                                                      \
    v[i] = __builtin_shufflevector(a, b, LIST upper);                                                        \
    v[i + size] = __builtin_shufflevector(a, b, LIST lower);                                                 \
  }
#if TT_LANES == 16
  EXCHANGE(8, (0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
           (8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
  EXCHANGE(4, (0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
           (4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
  EXCHANGE(2, (0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
           (2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
  EXCHANGE(1, (0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
           (1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
#elif TT_LANES == 8
  EXCHANGE(4, (0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15))
  EXCHANGE(2, (0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15))
  EXCHANGE(1, (0, 8, 2, 10, 4, 12, 6, 14), (1, 9, 3, 11, 5, 13, 7, 15))
#else
  EXCHANGE(2, (0, 1, 4, 5), (2, 3, 6, 7))
  EXCHANGE(1, (0, 4, 2, 6), (1, 5, 3, 7))
#endif
#undef EXCHANGE
#undef LIST
}

void TT_CPU(transpose)(int rows, int columns, const float *in, int64_t in_stride, bool accumulate, float *out,
                       int64_t out_stride) {
  enum { TILE = TT_LANES }; // each cache line of a tile is read once, whatever the strides collide with
  for (int r0 = 0; r0 < rows; r0 += TILE)
    for (int c0 = 0; c0 < columns; c0 += TILE) {
      int tall = rows - r0 < TILE ? rows - r0 : TILE, wide = columns - c0 < TILE ? columns - c0 : TILE;
      const float *from = in + r0 * in_stride + c0;
      float *to = out + c0 * out_stride + r0;
      if (tall < TILE || wide < TILE) {
        for (int c = 0; c < wide; c++)
          for (int r = 0; r < tall; r++) { // + 0 would make a 0 of -0, which whole tiles keep
            float *at = to + c * out_stride + r, value = from[r * in_stride + c];
            *at = accumulate ? value + *at : value;
          }
        continue;
      }
      tt_lanes tile[TILE];
      for (int r = 0; r < TILE; r++) tile[r] = TT_LOAD(from + r * in_stride);
      transpose_tile(tile);
      for (int c = 0; c < TILE; c++, to += out_stride) {
        if (accumulate) tile[c] += TT_LOAD(to);
        TT_STORE(to, tile[c]);
      }
    }
}
