// Products of 16 x 16 tiles by one warp: c += a b. In bf16 on a GPU by its tensor cores (sums in fp32); in
// fp32, and in the emulator, by fused multiply-adds straight from memory, so what a and b were loaded from
// must stay as it is until add() has returned. All 32 lanes call each member together, and the memory must
// have been made visible to them (__syncwarp or __syncthreads) before load() and after store().
//
//   tt_tile_sum<T> c; tt_tile_a<T> a; tt_tile_b<T> b;
//   c.clear();
//   for (k = 0; k < depth; k += 16) a.load(A + k, lda), b.load(B + k * ldb, ldb), c.add(a, b);
//   c.store(out, ldc);                                      // fp32, row-major
//
// Pointers of bf16 tiles start on multiples of 32 bytes, and their rows on multiples of 16 (ld a multiple of
// 8); so do those of store() (ld a multiple of 4).
#ifndef TT_KERNELS_CUDA_TILE_H
#define TT_KERNELS_CUDA_TILE_H

#include "number.h"

#ifdef __CUDACC__
#include <mma.h>
#endif

// How element (i, j) of a tile is found: p[i * row + j * column].
template <class T> struct tt_tile_view {
  const T *p;
  int row, column;
};

TT_DEVICE void tt_check_tile(const void *p, int ld, size_t size) {
#ifdef __CUDACC__
  (void)p, (void)ld, (void)size;
#else
  if (size == 2 && (reinterpret_cast<uintptr_t>(p) % 32 != 0 || ld % 8 != 0))
    tt_emulated_error("a bf16 tile is not aligned");
#endif
}

// a (16, 16): a.load from row-major memory, element (i, k) at p[i * ld + k]; load_transposed from p[k * ld +
// i]. b (16, 16): load (k, j) at p[k * ld + j]; load_transposed at p[j * ld + k].
template <class T> struct tt_tile_a {
  tt_tile_view<T> view;
  TT_DEVICE_MEMBER void load(const T *p, int ld) {
    tt_check_tile(p, ld, sizeof(T));
    view = {p, ld, 1};
  }
  TT_DEVICE_MEMBER void load_transposed(const T *p, int ld) {
    tt_check_tile(p, ld, sizeof(T));
    view = {p, 1, ld};
  }
};
template <class T> struct tt_tile_b : tt_tile_a<T> {};

// The sum: lane l has row l / 2, columns 8 * (l % 2) ...
template <class T> struct tt_tile_sum {
  float v[8];
  TT_DEVICE_MEMBER void clear() {
#pragma unroll
    for (int e = 0; e < 8; e++) v[e] = 0;
  }
  TT_DEVICE_MEMBER void scale(float factor) {
#pragma unroll
    for (int e = 0; e < 8; e++) v[e] *= factor;
  }
  TT_DEVICE_MEMBER void add(const tt_tile_a<T> &a, const tt_tile_b<T> &b) {
    int lane = static_cast<int>(threadIdx.x % TT_WARP), i = lane / 2, j = lane % 2 * 8;
    for (int k = 0; k < 16; k++) {
      float x = tt_to_float(a.view.p[i * a.view.row + k * a.view.column]);
#pragma unroll
      for (int e = 0; e < 8; e++)
        v[e] = fmaf(x, tt_to_float(b.view.p[k * b.view.row + (j + e) * b.view.column]), v[e]);
    }
  }
  TT_DEVICE_MEMBER void store(float *p, int ld) const {
    int lane = static_cast<int>(threadIdx.x % TT_WARP), i = lane / 2, j = lane % 2 * 8;
#pragma unroll
    for (int e = 0; e < 8; e++) p[i * ld + j + e] = v[e];
  }
};

#ifdef __CUDACC__
template <class USE> struct tt_tile_operand { // matrix_a or matrix_b
  // only one of the two is ever used, and the other costs nothing
  nvcuda::wmma::fragment<USE, 16, 16, 16, __nv_bfloat16, nvcuda::wmma::row_major> rows;
  nvcuda::wmma::fragment<USE, 16, 16, 16, __nv_bfloat16, nvcuda::wmma::col_major> columns;
  bool transposed;
  TT_DEVICE_MEMBER void load(const tt_bf16 *p, int ld) {
    nvcuda::wmma::load_matrix_sync(rows, reinterpret_cast<const __nv_bfloat16 *>(p), ld);
    transposed = false;
  }
  TT_DEVICE_MEMBER void load_transposed(const tt_bf16 *p, int ld) {
    nvcuda::wmma::load_matrix_sync(columns, reinterpret_cast<const __nv_bfloat16 *>(p), ld);
    transposed = true;
  }
};
template <> struct tt_tile_a<tt_bf16> : tt_tile_operand<nvcuda::wmma::matrix_a> {};
template <> struct tt_tile_b<tt_bf16> : tt_tile_operand<nvcuda::wmma::matrix_b> {};
template <> struct tt_tile_sum<tt_bf16> {
  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float> sum;
  TT_DEVICE_MEMBER void clear() { nvcuda::wmma::fill_fragment(sum, 0.0f); }
  TT_DEVICE_MEMBER void scale(float factor) {
#pragma unroll
    for (int e = 0; e < sum.num_elements; e++) sum.x[e] *= factor;
  }
  // which way each was loaded is known when the kernel is compiled
  TT_DEVICE_MEMBER void add(const tt_tile_a<tt_bf16> &a, const tt_tile_b<tt_bf16> &b) {
    if (a.transposed && b.transposed)
      nvcuda::wmma::mma_sync(sum, a.columns, b.columns, sum);
    else if (a.transposed)
      nvcuda::wmma::mma_sync(sum, a.columns, b.rows, sum);
    else if (b.transposed)
      nvcuda::wmma::mma_sync(sum, a.rows, b.columns, sum);
    else
      nvcuda::wmma::mma_sync(sum, a.rows, b.rows, sum);
  }
  TT_DEVICE_MEMBER void store(float *p, int ld) const {
    nvcuda::wmma::store_matrix_sync(p, sum, static_cast<unsigned>(ld), nvcuda::wmma::mem_row_major);
  }
};
#endif

#endif
