// Passes: forward reads y and the residual, writes out; backward reads dout, writes dy.
#include "branch.h"

struct branch {
  int64_t first, rows;
  int dim;
  bool aligned, bias_aligned, add;
};

// A warp a row.
template <class T>
TT_KERNEL(256)
branch_end(branch b, tt_device_drop drop, const T *y, const float *bias, const T *residual, T *out) {
  int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32, at = row * b.dim;
  if (row >= b.rows) return;
  tt_drop_row r = tt_drop_row_of(drop, b.first + row);
  for (int c = (int)threadIdx.x % 32 * 8; c < b.dim; c += TT_STRIP) {
    tt_eight v = tt_row_read(y + at, c, b.dim, b.aligned), shift = {}, base = {};
    if (bias != nullptr) shift = tt_row_read(bias, c, b.dim, b.bias_aligned);
    if (residual != nullptr) base = tt_row_read<true>(residual + at, c, b.dim, b.aligned);
    float factor[8];
    tt_drop_eight(drop, r, c / 8, factor);
#pragma unroll
    for (int e = 0; e < 8; e++) v.v[e] = base.v[e] + factor[e] * (v.v[e] + shift.v[e]);
    tt_row_write<true>(out + at, c, b.dim, b.aligned, v);
  }
}

template <class T>
void tt_branch_end(const tt_device_drop &drop, int64_t first, const T *y, int64_t rows, int dim,
                   const float *bias, const T *residual, T *out) {
  branch b = {first, rows, dim, false, tt_aligned8(bias, dim), false};
  b.aligned = tt_aligned8(y, dim) && tt_aligned8(residual, dim) && tt_aligned8(out, dim);
  TT_LAUNCH((branch_end<T>), tt_parts(rows, 8), 256, 0, b, drop, y, bias, residual, out);
}

// A block has a strip of channels and the rows of one block of sums.
template <class T>
TT_KERNEL(256)
branch_end_backward(branch b, tt_device_drop drop, const T *dout, T *dy, tt_column_sum dbias) {
  int c = (int)blockIdx.y * TT_STRIP + (int)threadIdx.x % 32 * 8;
  int64_t start = (int64_t)blockIdx.x * dbias.rows,
          end = start + dbias.rows < b.rows ? start + dbias.rows : b.rows;
  tt_eight sum = {};
  for (int64_t row = start + threadIdx.x / 32; row < end && c < b.dim; row += 8) {
    tt_drop_row r = tt_drop_row_of(drop, b.first + row);
    tt_eight d = tt_row_read(dout + row * b.dim, c, b.dim, b.aligned);
    float factor[8];
    tt_drop_eight(drop, r, c / 8, factor);
#pragma unroll
    for (int e = 0; e < 8; e++) sum.v[e] += d.v[e] *= factor[e];
    if (dy != nullptr) tt_row_write(dy + row * b.dim, c, b.dim, b.aligned, d);
  }
  tt_column_sum_store(dbias, (int)blockIdx.y, sum, b.add);
}

template <class T>
void tt_branch_end_backward(const tt_device_drop &drop, int64_t first, const T *dout, int64_t rows, int dim,
                            T *dy, const tt_column_sum &dbias, bool add) {
  if (dy == nullptr && dbias.to == nullptr) return;
  branch b = {first, rows, dim, tt_aligned8(dout, dim) && tt_aligned8(dy, dim), false, add};
  dim3 blocks((unsigned)tt_parts(rows, dbias.rows), (unsigned)tt_parts(dim, TT_STRIP));
  TT_LAUNCH((branch_end_backward<T>), blocks, 256, 0, b, drop, dout, dy, dbias);
}

#define BOTH(T)                                                                                              \
  template void tt_branch_end(const tt_device_drop &, int64_t, const T *, int64_t, int, const float *,       \
                              const T *, T *);                                                               \
  template void tt_branch_end_backward(const tt_device_drop &, int64_t, const T *, int64_t, int, T *,        \
                                       const tt_column_sum &, bool);
BOTH(float)
BOTH(tt_bf16)
