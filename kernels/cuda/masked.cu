// Masked rows: taken from the atom track, and their gradient put back. One warp a masked row; each is of
// another token row, so that none meet.
#include "operations.h"

template <class T> TT_KERNEL(256) gather(tt_batch b, int dim, const T *x, T *y) {
  int64_t k = (int64_t)blockIdx.x * 8 + threadIdx.x / 32;
  if (k >= b.masked) return;
  const T *from = x + (int64_t)b.masked_row[k] * dim;
  for (int c = (int)threadIdx.x % 32; c < dim; c += 32) y[k * dim + c] = from[c];
}

template <class T> TT_KERNEL(256) scatter(tt_batch b, int dim, const T *dy, T *dx) {
  int64_t k = (int64_t)blockIdx.x * 8 + threadIdx.x / 32;
  if (k >= b.masked) return;
  T *to = dx + (int64_t)b.masked_row[k] * dim;
  for (int c = (int)threadIdx.x % 32; c < dim; c += 32)
    to[c] = tt_from_float<T>(tt_to_float(to[c]) + tt_to_float(dy[k * dim + c]));
}

template <class T>
static void gather_masked(const tt_batch *batch, int dim, const tt_activation *x, tt_activation *y) {
  TT_LAUNCH((gather<T>), (batch->masked + 7) / 8, 256, 0, *batch, dim, tt_cells<T>(x), tt_cells<T>(y));
}

template <class T>
static void scatter_masked(const tt_batch *batch, int dim, const tt_activation *dy, tt_activation *dx) {
  TT_LAUNCH((scatter<T>), (batch->masked + 7) / 8, 256, 0, *batch, dim, tt_cells<T>(dy), tt_cells<T>(dx));
}

template <class T> void tt_cuda_fill_masked(tt_cuda_table *table) {
  table->ops.gather_masked = gather_masked<T>;
  table->ops.scatter_masked = scatter_masked<T>;
}
TT_FILL(masked)
