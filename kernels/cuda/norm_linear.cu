// One to three maps of LN(x). Passes over memory (slabs, slab.h: LN(x) and its gradient stay in the cache):
// forward reads x, writes the maps' y; backward reads x, the maps' dy and dx, writes dx. In bf16 the gradient
// of LN(x) is rounded after each map: sums of several in fp32 would be four more passes of its size.
#include "column_sums.h"
#include "map.h"
#include "norm.h"
#include "operations.h"

// Scratch: a slab of LN(x), of its gradient before; sums of the parameters' gradients.
template <class T> struct pieces {
  int64_t slab;
  T *z;
  tt_norm_sums norm;
  tt_column_source<T> db[TT_MOST_MAPS];
};
template <class T>
static pieces<T> cut(tt_room *room, int64_t rows, int dim, const tt_map_gradient *maps, int count,
                     tt_gradients dnorm) {
  pieces<T> p = {};
  p.slab = tt_slab_rows(rows, dim);
  p.z = tt_room_cut<T>(room, tt_slab_elements(rows, dim));
  if (maps == nullptr) return p;
  p.norm = tt_norm_sums_cut(room, rows, p.slab, dim, dnorm);
  for (int k = 0; k < count; k++)
    p.db[k].sum = tt_column_sum_cut(room, rows, p.slab, TT_SUM_ROWS, maps[k].out, maps[k].gradient.b);
  return p;
}

template <class T>
static void norm_linear(const tt_activation *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                        const tt_map *maps, int count, float *scratch) {
  tt_room room = {scratch, 0};
  pieces<T> p = cut<T>(&room, rows, dim, nullptr, count, tt_gradients{});
  for (int64_t row = 0; row < rows; row += p.slab) {
    int64_t height = rows - row < p.slab ? rows - row : p.slab;
    tt_norm_rows(tt_cells<T>(x) + row * dim, height, dim, norm, {s.mean + row, s.rstd + row}, false, p.z);
    for (int k = 0; k < count; k++) { // weights for each slab: loose copies (product.h) do not last for many
      const T *w = tt_cuda_weight<T>(maps[k].at.w, (int64_t)maps[k].out * dim);
      tt_map_forward(p.z, height, dim, maps[k].out, w, maps[k].at.b,
                     tt_cells<T>(maps[k].y) + row * maps[k].out);
    }
  }
}

template <class T>
static void norm_linear_backward(const tt_activation *x, int64_t rows, int dim, tt_weights norm,
                                 tt_statistics s, const tt_map_gradient *maps, int count, tt_activation *dx,
                                 tt_gradients dnorm, float *scratch) {
  if (rows == 0) return;
  tt_room room = {scratch, 0};
  pieces<T> p = cut<T>(&room, rows, dim, maps, count, dnorm);
  const T *w[TT_MOST_MAPS];
  for (int k = 0; k < count; k++) w[k] = tt_cuda_weight<T>(maps[k].at.w, (int64_t)maps[k].out * dim);
  for (int64_t row = 0; row < rows; row += p.slab) {
    int64_t height = rows - row < p.slab ? rows - row : p.slab;
    for (int k = 0; k < count; k++) {
      const T *dy = p.db[k].x = tt_cells<T>(maps[k].dy) + row * maps[k].out;
      tt_map_input_gradient(dy, height, dim, maps[k].out, w[k], p.z, k > 0);
    }
    const T *from = tt_cells<T>(x) + row * dim;
    T *to = tt_cells<T>(dx) + row * dim;
    tt_norm_rows_backward(p.z, from, height, dim, norm, {s.mean + row, s.rstd + row}, true, to, p.z, p.norm,
                          row > 0); // LN(x) takes the place of its gradient
    for (int k = 0; k < count; k++)
      tt_map_weight_gradient(p.db[k].x, p.z, height, dim, maps[k].out, maps[k].gradient.w);
    tt_column_sum_rows(p.db, count, height, row > 0); // last: before, it would push LN(x) out of the cache
  }
  tt_column_sum sums[TT_MOST_SUMS] = {p.norm.gamma, p.norm.beta};
  for (int k = 0; k < count; k++) sums[2 + k] = p.db[k].sum;
  tt_column_sum_finish(sums, 2 + count);
}

template <class T> static size_t need(const tt_sizes *k) {
  int64_t rows = k->pairs > k->tokens ? k->pairs : k->tokens;
  int dim = k->pair_dim > k->embed_dim ? k->pair_dim : k->embed_dim;
  tt_map_gradient maps[TT_MOST_MAPS] = {};
  for (tt_map_gradient &map : maps) {
    map.out = 3 * k->embed_dim > k->pair_dim ? 3 * k->embed_dim : k->pair_dim;
    if (2 * k->pair_hidden > map.out) map.out = 2 * k->pair_hidden;
  }
  tt_room room = {nullptr, 0};
  cut<T>(&room, rows, dim, maps, TT_MOST_MAPS, tt_gradients{});
  return room.used;
}

template <class T> void tt_cuda_fill_norm_linear(tt_cuda_table *table) {
  table->ops.norm_linear = norm_linear<T>, table->ops.norm_linear_backward = norm_linear_backward<T>;
  tt_cuda_needs(table, TT_SCRATCH_NORM_LINEAR, need<T>);
}
TT_FILL(norm_linear)
