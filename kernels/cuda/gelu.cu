// Passes: forward reads x, writes y; backward reads x and d, writes d.
#include "gelu.h"
#include "operations.h"
#include "rows.h"

template <class T> TT_KERNEL(256) gelu_kernel(const T *x, int64_t count, T *y, bool aligned) {
  int64_t c = ((int64_t)blockIdx.x * 256 + threadIdx.x) * 8;
  if (c >= count) return;
  tt_eight v = tt_row_read(x, c, count, aligned);
  for (int e = 0; e < 8; e++) v.v[e] = tt_gelu(v.v[e]);
  tt_row_write(y, c, count, aligned, v);
}

template <class T> TT_KERNEL(256) gelu_backward_kernel(const T *x, int64_t count, T *d, bool aligned) {
  int64_t c = ((int64_t)blockIdx.x * 256 + threadIdx.x) * 8;
  if (c >= count) return;
  tt_eight v = tt_row_read(x, c, count, aligned), g = tt_row_read(d, c, count, aligned);
  for (int e = 0; e < 8; e++) g.v[e] *= tt_gelu_slope(v.v[e], tt_normal_below(v.v[e]));
  tt_row_write(d, c, count, aligned, g);
}

template <class T> static void gelu(const tt_activation *x, int64_t count, tt_activation *y) {
  const T *from = tt_cells<T>(x);
  T *to = tt_cells<T>(y);
  TT_LAUNCH((gelu_kernel<T>), tt_parts(count, 2048), 256, 0, from, count, to,
            tt_aligned8(from, 8) && tt_aligned8(to, 8));
}

template <class T> static void gelu_backward(const tt_activation *x, int64_t count, tt_activation *d) {
  const T *from = tt_cells<T>(x);
  T *to = tt_cells<T>(d);
  TT_LAUNCH((gelu_backward_kernel<T>), tt_parts(count, 2048), 256, 0, from, count, to,
            tt_aligned8(from, 8) && tt_aligned8(to, 8));
}

template <class T> void tt_cuda_fill_gelu(tt_cuda_table *table) {
  table->ops.gelu = gelu<T>, table->ops.gelu_backward = gelu_backward<T>;
  table->ops.gelu_single = gelu<float>, table->ops.gelu_single_backward = gelu_backward<float>;
}
TT_FILL(gelu)
