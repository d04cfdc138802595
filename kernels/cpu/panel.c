#include "panel.h"

#include <string.h>

// Up to TT_GROUP rows of c by `vectors` registers. Everything but `depth` is a constant where it is called,
// so the sums stay in registers: for AVX-512 that is 24 sums, 4 registers of the panel and a factor, 24
// multiply-adds for 10 loads.
static TT_INLINE void kernel(int rows, int vectors, int depth, const tt_left *a, const float *from,
                             const float *b, const float *bias, bool add, float *c, int64_t c_row) {
  tt_lanes sum[TT_GROUP][TT_VECTORS];
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) sum[r][v] = (tt_lanes){0};
  if (add) // it comes from far while the sums are made
    for (int r = 0; r < rows; r++)
      for (int v = 0; v < vectors; v++) __builtin_prefetch(c + r * c_row + v * TT_LANES, 1);
  for (int done = 0; done < depth; done += a->chunk, from += a->step) {
    const float *factor = from;
    int end = depth - done < a->chunk ? depth - done : a->chunk;
    for (int k = 0; k < end; k++, factor += a->column, b += TT_PANEL) {
      tt_lanes line[TT_VECTORS];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) line[v] = TT_LOAD(b + v * TT_LANES);
#pragma GCC unroll 6
      for (int r = 0; r < rows; r++) {
        float x = factor[r * a->row];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[r][v] += x * line[v];
      }
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      float *to = c + r * c_row + v * TT_LANES;
      tt_lanes result = sum[r][v];
      if (bias) result += TT_LOAD(bias + v * TT_LANES);
      if (add) result += TT_LOAD(to);
      TT_STORE(to, result);
    }
}

// All rows of c in one panel, `vectors` a constant.
static TT_INLINE void column(int64_t rows, int vectors, int depth, const tt_left *a, const float *b,
                             const float *bias, bool add, float *c, int64_t c_row) {
  int64_t i = 0;
  const float *from = a->at;
  for (; i + TT_GROUP <= rows; i += TT_GROUP, from += TT_GROUP * a->row)
    kernel(TT_GROUP, vectors, depth, a, from, b, bias, add, c + i * c_row, c_row);
  c += i * c_row;
  switch (rows - i) {
  case 5:
    kernel(5, vectors, depth, a, from, b, bias, add, c, c_row);
    break;
  case 4:
    kernel(4, vectors, depth, a, from, b, bias, add, c, c_row);
    break;
  case 3:
    kernel(3, vectors, depth, a, from, b, bias, add, c, c_row);
    break;
  case 2:
    kernel(2, vectors, depth, a, from, b, bias, add, c, c_row);
    break;
  case 1:
    kernel(1, vectors, depth, a, from, b, bias, add, c, c_row);
    break;
  default:
    break;
  }
}

static void any_width(int64_t rows, int vectors, int depth, const tt_left *a, const float *b,
                      const float *bias, bool add, float *c, int64_t c_row) {
  switch (vectors) {
  case 1:
    column(rows, 1, depth, a, b, bias, add, c, c_row);
    break;
  case 2:
    column(rows, 2, depth, a, b, bias, add, c, c_row);
    break;
#if TT_LANES == 16 || defined(__aarch64__)
  case 3:
    column(rows, 3, depth, a, b, bias, add, c, c_row);
    break;
  case 4:
    column(rows, 4, depth, a, b, bias, add, c, c_row);
    break;
#endif
  default:
    break;
  }
}

// The last columns where nothing may be written beside them: by way of a buffer.
static void last_columns(int64_t rows, int columns, int vectors, int depth, tt_left a, const float *b,
                         const float *bias, bool add, float *c, int64_t c_row) {
  float buffer[TT_GROUP * TT_PANEL] __attribute__((aligned(64)));
  for (int64_t i = 0; i < rows; i += TT_GROUP, a.at += TT_GROUP * a.row, c += TT_GROUP * c_row) {
    int64_t count = rows - i < TT_GROUP ? rows - i : TT_GROUP;
    any_width(count, vectors, depth, &a, b, bias, false, buffer, TT_PANEL);
    for (int64_t r = 0; r < count; r++)
      for (int j = 0; j < columns; j++)
        c[r * c_row + j] = buffer[r * TT_PANEL + j] + (add ? c[r * c_row + j] : 0.0f);
  }
}

void TT_CPU(panel_product)(int64_t rows, int columns, int depth, tt_left a, const float *b, int64_t b_panel,
                           const float *bias, bool add, tt_target c) {
  for (int done = 0; done < columns; done += TT_PANEL, b += b_panel, c.at += c.panel) {
    int count = columns - done < TT_PANEL ? columns - done : TT_PANEL,
        vectors = (count + TT_LANES - 1) / TT_LANES;
    float padded[TT_PANEL] = {0};
    const float *part = bias ? bias + done : NULL;
    if (bias && count % TT_LANES != 0) part = memcpy(padded, part, (size_t)count * sizeof *part);
    if (c.exact && count % TT_LANES != 0)
      last_columns(rows, count, vectors, depth, a, b, part, add, c.at, c.row);
    else
      any_width(rows, vectors, depth, &a, b, part, add, c.at, c.row);
  }
}

void TT_CPU(pack_transposed)(const float *w, int64_t stride, int out, int in, float *panels) {
  for (int first = 0; first < out; first += TT_PANEL, panels += (int64_t)in * TT_PANEL) {
    int count = out - first < TT_PANEL ? out - first : TT_PANEL;
    if (count < TT_PANEL) memset(panels, 0, (size_t)in * TT_PANEL * sizeof *panels);
    TT_CPU(transpose)(count, in, w + first * stride, stride, false, panels, TT_PANEL);
  }
}

void TT_CPU(pack)(const float *w, int64_t stride, int out, int in, float *panels) {
  for (int first = 0; first < in; first += TT_PANEL) {
    int count = in - first < TT_PANEL ? in - first : TT_PANEL;
    if (count < TT_PANEL) memset(panels, 0, (size_t)out * TT_PANEL * sizeof *panels);
    for (int r = 0; r < out; r++, panels += TT_PANEL)
      memcpy(panels, w + r * stride + first, (size_t)count * sizeof *w);
  }
}
