// Passes over memory (slabs, slab.h: what is written and read again at once stays in the cache): forward
// reads x and the residual, writes out, twice in the cache; backward reads dout and x, writes dx.
#include "branch.h"
#include "map.h"
#include "operations.h"

// Scratch: a slab of the product or of dy; sums of db.
template <class T> struct pieces {
  int64_t slab;
  T *y;
  tt_column_sum db;
};
template <class T> static pieces<T> cut(tt_room *room, int64_t rows, int out_dim, float *db) {
  pieces<T> p = {};
  p.slab = tt_slab_rows(rows, out_dim);
  p.y = tt_room_cut<T>(room, tt_slab_elements(rows, out_dim));
  p.db = tt_column_sum_cut(room, rows, p.slab, TT_SUM_ROWS, out_dim, db);
  return p;
}

template <class T>
static void linear_residual(const tt_drop *drop, const tt_activation *x, int64_t rows, int in, int out_dim,
                            tt_weights at, const tt_activation *residual, tt_activation *out,
                            float *scratch) {
  if (rows == 0) return;
  tt_room room = {scratch, 0};
  pieces<T> p = cut<T>(&room, rows, out_dim, nullptr);
  tt_device_drop d = tt_device_drop_of(drop);
  const T *w = tt_cuda_weight<T>(at.w, (int64_t)out_dim * in), *base = tt_cells<T>(residual);
  for (int64_t row = 0; row < rows; row += p.slab) {
    int64_t count = rows - row < p.slab ? rows - row : p.slab, first = row * out_dim;
    T *to = tt_cells<T>(out) + first, *y = residual == out ? p.y : to; // out has room for the product, unless
    tt_map_forward(tt_cells<T>(x) + row * in, count, in, out_dim, w, nullptr, y); // the residual is there
    tt_branch_end(d, row, y, count, out_dim, at.b, base != nullptr ? base + first : nullptr, to);
  }
}

template <class T>
static void linear_residual_backward(const tt_drop *drop, const tt_activation *dout, const tt_activation *x,
                                     int64_t rows, int in, int out_dim, const float *w, tt_activation *dx,
                                     tt_gradients gradient, float *scratch) {
  if (rows == 0) return;
  tt_room room = {scratch, 0};
  pieces<T> p = cut<T>(&room, rows, out_dim, gradient.b);
  tt_device_drop d = tt_device_drop_of(drop);
  const T *weights = tt_cuda_weight<T>(w, (int64_t)out_dim * in);
  for (int64_t row = 0; row < rows; row += p.slab) {
    int64_t count = rows - row < p.slab ? rows - row : p.slab;
    const T *from = tt_cells<T>(dout) + row * out_dim, *dy = d.on ? p.y : from;
    tt_branch_end_backward(d, row, from, count, out_dim, d.on ? p.y : nullptr, p.db, row > 0);
    tt_map_input_gradient(dy, count, in, out_dim, weights, tt_cells<T>(dx) + row * in, false);
    tt_map_weight_gradient(dy, tt_cells<T>(x) + row * in, count, in, out_dim, gradient.w);
  }
  tt_column_sum_finish(&p.db, 1);
}

template <class T> static size_t need(const tt_sizes *k) {
  int64_t rows = k->pairs > k->tokens ? k->pairs : k->tokens;
  int widest = k->pair_dim > k->embed_dim ? k->pair_dim : k->embed_dim;
  tt_room room = {nullptr, 0};
  cut<T>(&room, rows, widest, nullptr);
  return room.used;
}

template <class T> void tt_cuda_fill_linear_residual(tt_cuda_table *table) {
  table->ops.linear_residual = linear_residual<T>;
  table->ops.linear_residual_backward = linear_residual_backward<T>;
  tt_cuda_needs(table, TT_SCRATCH_LINEAR, need<T>);
}
TT_FILL(linear_residual)
