// The loops of a product of panels, for whatever a factor is: a number (panel.c) or a pair of two bf16
// (operand_native.c). Wants, and includes once each:
//   TT_PRODUCT                           the function to define; arguments as panel_product's
//   TT_MULTIPLY_ADD(sum, factor, line)   the new sum (tt_lanes); factor: a float's 32 bits; line: tt_lanes
//   TT_CHUNK                             the usual chunk of the left matrix
#include "panel.h"

#include <string.h>

// Bytes of a cache line; rows of a panel that stay in the second-level cache while all rows of c use them.
enum { LINE = 64, DEPTH = 512 };

// A product of one panel: c (rows, up to TT_PANEL) = [c +] a b + bias (padded, or NULL). Meanwhile the
// second-level cache is asked for what the next panel reads: `ahead` lines at `next` for each chunk of each
// group of rows.
typedef struct {
  int depth;
  tt_left a;
  const float *b, *bias;
  bool add, far; // far: c is in memory
  float *c;
  int64_t c_row;
  const char *next;
  int64_t ahead;
} task;

static TT_INLINE void multiply_add(int rows, int vectors, const float *factor, int64_t row, const float *b,
                                   tt_lanes sum[TT_GROUP][TT_VECTORS]) {
  tt_lanes line[TT_VECTORS];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) line[v] = TT_LOAD(b + v * TT_LANES);
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++) {
    float x = factor[r * row];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) sum[r][v] = TT_MULTIPLY_ADD(sum[r][v], x, line[v]);
  }
}

// Up to TT_GROUP rows of c by `vectors` registers, both constants where it is called, so that the sums stay
// in registers: for AVX-512 that is 24 sums, 4 registers of the panel and a factor, 24 multiply-adds for 10
// loads.
static TT_INLINE void kernel(int rows, int vectors, const task *t, const float *from, float *c,
                             const char *next) {
  tt_lanes sum[TT_GROUP][TT_VECTORS];
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) sum[r][v] = (tt_lanes){0};
  if (t->far) // it comes while the sums are made
    for (int r = 0; r < rows; r++)
      for (int v = 0; v < vectors; v++) __builtin_prefetch(c + r * t->c_row + v * TT_LANES, 1);
  const float *b = t->b;
  int64_t row = t->a.row, step = t->a.column;
  for (int done = 0; done < t->depth; done += t->a.chunk, from += t->a.step) {
    const float *factor = from;
    int end = t->depth - done < t->a.chunk ? t->depth - done : t->a.chunk;
    for (int64_t line = 0; line < t->ahead; line++, next += LINE) __builtin_prefetch(next, 0, 2);
    if (end == TT_CHUNK) { // nearly always: a constant count is better predicted
#pragma GCC unroll 4
      for (int k = 0; k < TT_CHUNK; k++, factor += step, b += TT_PANEL)
        multiply_add(rows, vectors, factor, row, b, sum);
    } else {
      for (int k = 0; k < end; k++, factor += step, b += TT_PANEL)
        multiply_add(rows, vectors, factor, row, b, sum);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      float *to = c + r * t->c_row + v * TT_LANES;
      tt_lanes result = sum[r][v];
      if (t->bias) result += TT_LOAD(t->bias + v * TT_LANES);
      if (t->add) result += TT_LOAD(to);
      TT_STORE(to, result);
    }
}

// All rows of c, `vectors` a constant.
static TT_INLINE void column(int vectors, int64_t rows, const task *t) {
  const float *from = t->a.at;
  float *c = t->c;
  const char *next = t->next;
  int64_t bytes = t->ahead * LINE * ((t->depth + t->a.chunk - 1) / t->a.chunk);
  for (; rows >= TT_GROUP;
       rows -= TT_GROUP, from += TT_GROUP * t->a.row, c += TT_GROUP * t->c_row, next += bytes)
    kernel(TT_GROUP, vectors, t, from, c, next);
  switch (rows) { // clang-format off
  case 5: kernel(5, vectors, t, from, c, next); break;
  case 4: kernel(4, vectors, t, from, c, next); break;
  case 3: kernel(3, vectors, t, from, c, next); break;
  case 2: kernel(2, vectors, t, from, c, next); break;
  case 1: kernel(1, vectors, t, from, c, next); break;
  default: break;
  } // clang-format on
}

static void one_panel(int vectors, int64_t rows, const task *t) {
  switch (vectors) { // clang-format off
  case 1: column(1, rows, t); break;
  case 2: column(2, rows, t); break;
#if TT_LANES == 16 || defined(__aarch64__)
  case 3: column(3, rows, t); break;
  case 4: column(4, rows, t); break;
#endif
  default: break;
  } // clang-format on
}

// The last columns where nothing may be written beside them: by way of a buffer.
static void last_columns(int columns, int vectors, int64_t rows, task t) {
  float buffer[TT_GROUP * TT_PANEL] __attribute__((aligned(64))), *c = t.c;
  int64_t c_row = t.c_row;
  bool add = t.add;
  t.c = buffer, t.c_row = TT_PANEL, t.add = t.far = false;
  for (int64_t i = 0; i < rows; i += TT_GROUP, t.a.at += TT_GROUP * t.a.row, c += TT_GROUP * c_row) {
    int64_t count = rows - i < TT_GROUP ? rows - i : TT_GROUP;
    one_panel(vectors, count, &t);
    for (int64_t r = 0; r < count; r++)
      for (int j = 0; j < columns; j++)
        c[r * c_row + j] = buffer[r * TT_PANEL + j] + (add ? c[r * c_row + j] : 0.0f);
  }
}

void TT_PRODUCT(int64_t rows, int columns, int depth, tt_left a, const float *b, int64_t b_panel,
                const float *bias, bool add, tt_target c) {
  if (rows == 0) return;
  int block = a.chunk < DEPTH ? DEPTH / a.chunk * a.chunk : a.chunk;
  int64_t groups = (rows + TT_GROUP - 1) / TT_GROUP;
  for (int done = 0; done < columns; done += TT_PANEL, b += b_panel, c.at += c.panel) {
    int count = tt_panel_width(columns, done);
    int vectors = (count + TT_LANES - 1) / TT_LANES;
    float padded[TT_PANEL] = {0};
    const float *part = bias ? bias + done : NULL;
    if (bias && count % TT_LANES != 0) part = memcpy(padded, part, (size_t)count * sizeof *part);
    for (int k = 0; k < depth; k += block) {
      bool last = k + block >= depth;
      task t = {.depth = last ? depth - k : block,
                .a = a,
                .b = b + (int64_t)k * TT_PANEL,
                .bias = k == 0 ? part : NULL,
                .add = add || k > 0,
                .far = c.exact,
                .c = c.at,
                .c_row = c.row};
      t.a.at += k / a.chunk * a.step;
      if (!last || columns - done > TT_PANEL) { // the next block is as large, or smaller
        int64_t pieces = groups * ((t.depth + a.chunk - 1) / a.chunk);
        t.next = (const char *)(last ? b + b_panel : t.b + (int64_t)block * TT_PANEL);
        t.ahead = ((int64_t)t.depth * TT_PANEL * (int64_t)sizeof *b / LINE + pieces - 1) / pieces;
      }
      if (c.exact && count % TT_LANES != 0)
        last_columns(count, vectors, rows, t);
      else
        one_panel(vectors, rows, &t);
    }
  }
}
