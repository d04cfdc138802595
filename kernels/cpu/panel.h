// Matrix products on panels: the one kernel behind every dense operation.
//
// A panel is TT_PANEL columns of a matrix, row after row: element (r, c) of it at [r * TT_PANEL + c]. It is
// as wide as a row of registers, so the inner loop reads it from end to end. Weights are packed into panels;
// a tile (tile.h) is made of panels, so that it can stand on either side of a product, transposed or not,
// without being copied.
#ifndef TT_KERNELS_CPU_PANEL_H
#define TT_KERNELS_CPU_PANEL_H

#include <stdbool.h>
#include <stdint.h>

#include "isa.h"
#include "vector.h"

// Accumulators: TT_GROUP rows of TT_VECTORS registers, which leave room for a row of the panel and a factor.
#if TT_LANES == 16 || defined(__aarch64__)
enum { TT_VECTORS = 4 };
#else
enum { TT_VECTORS = 2 };
#endif
enum { TT_PANEL = TT_VECTORS * TT_LANES, TT_GROUP = 6 };

// The left matrix: element (i, k) is at[i * row + k % chunk * column + k / chunk * step].
typedef struct {
  const float *at;
  int64_t row, column;
  int chunk;
  int64_t step;
} tt_left;

// A row-major matrix, or (transposed) its transpose, as a left matrix.
static inline tt_left tt_left_rows(const float *at, int64_t stride) {
  return (tt_left){at, stride, 1, TT_PANEL, TT_PANEL};
}
static inline tt_left tt_left_transposed(const float *at, int64_t stride) {
  return (tt_left){at, 1, stride, TT_PANEL, TT_PANEL * stride};
}

// Where the result goes: rows `row` apart, panels of columns `panel` apart. `exact`: nothing may be written
// beside the columns (else whole registers are).
typedef struct {
  float *at;
  int64_t row, panel;
  bool exact;
} tt_target;

static inline tt_target tt_target_rows(float *at, int64_t stride) {
  return (tt_target){at, stride, TT_PANEL, true};
}

// Columns of the panel that starts at column `first`.
static inline int tt_panel_width(int64_t columns, int64_t first) {
  return columns - first < TT_PANEL ? (int)(columns - first) : TT_PANEL;
}

// Floats of `columns` columns packed into panels of `depth` rows.
static inline size_t tt_panels_size(int64_t depth, int64_t columns) {
  return (size_t)(depth * ((columns + TT_PANEL - 1) / TT_PANEL) * TT_PANEL);
}
// The same for a matrix that is packed as it is or transposed.
static inline size_t tt_panels_either(int64_t rows, int64_t columns) {
  size_t one = tt_panels_size(rows, columns), other = tt_panels_size(columns, rows);
  return one > other ? one : other;
}

// c (rows, columns) = [c +] a (rows, depth) b + bias; b: panels (depth rows each) `b_panel` floats apart;
// bias (columns) or NULL. An element's sum runs over k upwards, in blocks that depend on `depth` and a.chunk
// alone: a row's result does not depend on the rows computed with it.
void TT_CPU(panel_product)(int64_t rows, int columns, int depth, tt_left a, const float *b, int64_t b_panel,
                           const float *bias, bool add, tt_target c);

// Panels of W^T (in, out), for x W^T; and of W (out, in), for dy W. W (out, in) row-major with rows `stride`
// apart.
void TT_CPU(pack_transposed)(const float *w, int64_t stride, int out, int in, float *panels);
void TT_CPU(pack)(const float *w, int64_t stride, int out, int in, float *panels);

#endif
