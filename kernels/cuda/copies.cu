// Flat arrays copied, set to zero, added: fp32, and activations. The example for other files.
#include "operations.h"

enum { THREADS = 256, EACH = 8 }; // a thread takes eight elements, in accesses of 16 bytes where it can

template <class T> TT_KERNEL(THREADS) add_kernel(const T *x, int64_t count, bool aligned, T *y) {
  int64_t at = (static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x) * EACH;
  if (at >= count) return;
  bool whole = aligned && count - at >= EACH;
  int rest = count - at < EACH ? static_cast<int>(count - at) : EACH;
  tt_eight a = whole ? tt_load8(x + at) : tt_load_any(x + at, rest);
  tt_eight b = whole ? tt_load8(y + at) : tt_load_any(y + at, rest);
#pragma unroll
  for (int e = 0; e < EACH; e++) b.v[e] += a.v[e];
  if (whole)
    tt_store8(y + at, b);
  else
    tt_store_any(y + at, rest, b);
}

template <class T> static void add(const float *x, int64_t count, float *y) {
  const T *from = tt_cells<T>(x);
  T *to = tt_cells<T>(y);
  TT_LAUNCH((add_kernel<T>), tt_parts(count, THREADS * EACH), THREADS, 0, from, count,
            tt_aligned8(from, EACH) && tt_aligned8(to, EACH), to);
}

template <class T> static void copy(const float *x, int64_t count, float *y) {
  if (count == 0) return;
  TT_CUDA(cudaMemcpyAsync(y, x, static_cast<size_t>(count) * sizeof(T), cudaMemcpyDeviceToDevice,
                          tt_cuda.stream));
}

template <class T> static void zero(float *x, int64_t count) {
  if (count == 0) return;
  TT_CUDA(cudaMemsetAsync(x, 0, static_cast<size_t>(count) * sizeof(T), tt_cuda.stream));
}

template <class T> void tt_cuda_fill_copies(tt_cuda_table *table) {
  table->ops.copy = copy<float>, table->ops.copy_activations = copy<T>;
  table->ops.zero = zero<float>, table->ops.zero_activations = zero<T>;
  table->ops.add = add<float>, table->ops.add_activations = add<T>;
}
TT_FILL(copies)
