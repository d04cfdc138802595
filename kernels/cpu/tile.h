// Tiles: some rows of a matrix in panels (panel.h), small enough for the second-level cache. The fused
// operations fill a tile, multiply it and finish it while it is there; only what the backward needs goes to
// memory.
#ifndef TT_KERNELS_CPU_TILE_H
#define TT_KERNELS_CPU_TILE_H

#include "device/ops.h"
#include "panel.h"

// Element (r, c) is at[(c / TT_PANEL * height + r) * TT_PANEL + c % TT_PANEL].
typedef struct {
  float *at;
  int64_t height;
} tt_tile;

// Rows or a tile alike: element (r, c) is at[r * row + c / TT_PANEL * panel + c % TT_PANEL].
typedef struct {
  float *at;
  int64_t row, panel;
} tt_view;

static inline tt_view tt_view_tile(tt_tile t) {
  return (tt_view){t.at, TT_PANEL, t.height * TT_PANEL};
}
static inline tt_view tt_view_rows(float *at, int64_t stride) {
  return (tt_view){at, stride, TT_PANEL};
}
static inline tt_left tt_left_tile(tt_tile t) {
  return (tt_left){t.at, TT_PANEL, 1, TT_PANEL, t.height * TT_PANEL};
}
static inline tt_target tt_target_tile(tt_tile t) {
  return (tt_target){t.at, TT_PANEL, t.height * TT_PANEL, false};
}

enum { TT_TILE_ROWS = 64 * TT_GROUP }; // at most

// Rows a tile of `rows` rows is cut into, `widest` columns: at most 128 Ki floats, or 48 rows where that
// is more; nearly equal, whole groups.
int64_t TT_CPU(tile_height)(int64_t rows, int widest);
// Floats of a tile of any number of rows, `columns` wide, when the height was chosen for `widest`.
size_t TT_CPU(tile_size)(int columns, int widest);

// Rows of x (rows, columns), `stride` apart, into a tile; and the sums of a tile's columns, times scale,
// added to sums.
void TT_CPU(tile_load)(const float *x, int64_t stride, int64_t rows, int columns, tt_tile t);
void TT_CPU(tile_column_sums)(tt_tile t, int64_t rows, int columns, float scale, float *sums);

// LayerNorm of rows of x (rows, dim) into y. `fresh`: the statistics are computed, else read.
void TT_CPU(norm_rows)(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s, bool fresh,
                       tt_view y);
// dx = [dx +] gradient, dgamma +=, dbeta +=
void TT_CPU(norm_rows_backward)(tt_view dy, const float *x, int64_t rows, int dim, const float *gamma,
                                tt_statistics s, bool add, float *dx, tt_gradients gradient);

static inline tt_statistics tt_statistics_from(tt_statistics s, int64_t row) {
  return (tt_statistics){s.mean + row, s.rstd + row};
}

// Cuts scratch into consecutive pieces, each a whole number of cache lines. With no scratch (NULL) it only
// counts: so an operation asks for exactly the pieces that it cuts.
typedef struct {
  float *scratch;
  size_t used;
} tt_cutter;

static inline float *tt_cut_floats(tt_cutter *c, size_t count) {
  float *piece = c->scratch != NULL ? c->scratch + c->used : NULL;
  c->used += (count + 15) / 16 * 16;
  return piece;
}
static inline tt_tile tt_cut_tile(tt_cutter *c, int columns, int widest, int64_t height) {
  return (tt_tile){tt_cut_floats(c, TT_CPU(tile_size)(columns, widest)), height};
}

#endif
