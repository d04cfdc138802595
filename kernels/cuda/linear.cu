// Linear maps. Passes: forward reads x, writes y (the bias is added by the product's epilogue). Backward
// reads dy three times (for dx, dw and db; dy of the maps used so is narrow) and x once, writes dx.
#include "column_sums.h"
#include "map.h"
#include "operations.h"

template <class T>
static void linear(const tt_activation *x, int64_t rows, int in, int out, tt_weights at, tt_activation *y,
                   float *) {
  const T *w = tt_cuda_weight<T>(at.w, (int64_t)out * in);
  tt_map_forward(tt_cells<T>(x), rows, in, out, w, at.b, tt_cells<T>(y));
}

template <class T>
static void linear_backward(const tt_activation *dy, const tt_activation *x, int64_t rows, int in, int out,
                            const float *w, tt_activation *dx, bool accumulate, tt_gradients gradient,
                            float *scratch) {
  if (rows == 0) return;
  const T *d = tt_cells<T>(dy);
  if (dx != nullptr)
    tt_map_input_gradient(d, rows, in, out, tt_cuda_weight<T>(w, (int64_t)out * in), tt_cells<T>(dx),
                          accumulate);
  tt_map_weight_gradient(d, tt_cells<T>(x), rows, in, out, gradient.w);
  if (gradient.b == nullptr) return;
  tt_room room = {scratch, 0};
  tt_column_source<T> db = {d, tt_column_sum_cut(&room, rows, rows, TT_SUM_ROWS, out, gradient.b)};
  tt_column_sum_rows(&db, 1, rows, false);
  tt_column_sum_finish(&db.sum, 1);
}

static size_t need(const tt_sizes *k) {
  int64_t rows = k->pairs > k->tokens ? k->pairs : k->tokens;
  int widest = k->pair_dim > k->embed_dim ? k->pair_dim : k->embed_dim;
  tt_room room = {nullptr, 0};
  tt_column_sum_cut(&room, rows, rows, TT_SUM_ROWS, widest > TT_GAUSSIANS ? widest : TT_GAUSSIANS, nullptr);
  return room.used;
}

template <class T> void tt_cuda_fill_linear(tt_cuda_table *table) {
  table->ops.linear = linear<T>, table->ops.linear_backward = linear_backward<T>;
  table->ops.linear_single = linear<float>, table->ops.linear_single_backward = linear_backward<float>;
  tt_cuda_needs(table, TT_SCRATCH_LINEAR, need);
}
TT_FILL(linear)
