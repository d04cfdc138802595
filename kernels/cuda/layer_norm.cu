// LayerNorm at the end of the embedding: x and dx are fp32, y and dy activations. Passes: forward reads x,
// writes y; backward reads dy, x and dx, writes dx; and the second stage of dgamma and dbeta (norm.cu).
#include "norm.h"
#include "number.h"
#include "operations.h"
#include "workspace.h"

template <class T>
static void layer_norm(const float *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                       tt_activation *y) {
  tt_norm_rows(x, rows, dim, norm, s, false, tt_cells<T>(y));
}

template <class T>
static void layer_norm_backward(const tt_activation *dy, const float *x, int64_t rows, int dim,
                                const float *gamma, tt_statistics s, float *dx, tt_gradients gradient) {
  if (rows == 0) return;
  tt_room count = {nullptr, 0};
  tt_norm_sums_cut(&count, rows, rows, dim, gradient);
  tt_room room = {static_cast<float *>(tt_cuda_workspace(count.used * sizeof(float))), 0};
  tt_norm_sums sums = tt_norm_sums_cut(&room, rows, rows, dim, gradient);
  tt_norm_rows_backward<float, T>(tt_cells<T>(dy), x, rows, dim, {gamma, nullptr}, s, true, dx, nullptr, sums,
                                  false);
  tt_column_sum each[2] = {sums.gamma, sums.beta};
  tt_column_sum_finish(each, 2);
}

template <class T> void tt_cuda_fill_layer_norm(tt_cuda_table *table) {
  table->ops.layer_norm = layer_norm<T>, table->ops.layer_norm_backward = layer_norm_backward<T>;
}
TT_FILL(layer_norm)
