// Passes: forward reads y and the residual, writes out; backward reads dout, writes dy (branch.cu).
#include "branch.h"
#include "operations.h"
#include "workspace.h"

template <class T>
static void bias_residual(const tt_drop *drop, const tt_activation *y, int64_t rows, int dim,
                          const float *bias, const tt_activation *residual, tt_activation *out) {
  tt_branch_end(tt_device_drop_of(drop), 0, tt_cells<T>(y), rows, dim, bias, tt_cells<T>(residual),
                tt_cells<T>(out));
}

template <class T>
static void bias_residual_backward(const tt_drop *drop, const tt_activation *dout, int64_t rows, int dim,
                                   tt_activation *dy, float *dbias) {
  if (rows == 0) return;
  tt_room count = {nullptr, 0};
  tt_column_sum_cut(&count, rows, rows, TT_SUM_ROWS, dim, dbias);
  tt_room room = {static_cast<float *>(tt_cuda_workspace(count.used * sizeof(float))), 0};
  tt_column_sum sum = tt_column_sum_cut(&room, rows, rows, TT_SUM_ROWS, dim, dbias);
  tt_branch_end_backward(tt_device_drop_of(drop), 0, tt_cells<T>(dout), rows, dim, tt_cells<T>(dy), sum,
                         false);
  tt_column_sum_finish(&sum, 1);
}

template <class T> void tt_cuda_fill_bias_residual(tt_cuda_table *table) {
  table->ops.bias_residual = bias_residual<T>;
  table->ops.bias_residual_backward = bias_residual_backward<T>;
}
TT_FILL(bias_residual)
