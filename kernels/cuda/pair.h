// What the kernels of the pair track share: reading and writing eight channels of a row whatever the row's
// width, a warp's tiles on their way from a product to such rows, pieces of scratch, and sums over rows.
#ifndef TT_KERNELS_CUDA_PAIR_H
#define TT_KERNELS_CUDA_PAIR_H

#include "cuda.h"
#include "dropout.h"
#include "number.h"
#include "operations.h"
#include "product.h"
#include "tile.h"
#include "warp.h"

#ifdef __CUDACC__
#define TT_BOTH static __host__ __device__ __forceinline__
#else
#define TT_BOTH static inline
#endif

// Next multiple of 16 (the side of a tile), or of any `step`.
TT_BOTH int tt_tiled(int count) {
  return (count + 15) / 16 * 16;
}
static inline int64_t tt_multiple(int64_t count, int64_t step) {
  return tt_parts(count, step) * step;
}

// Channels c .. c + 7 (c a multiple of 8) of a row of `width`: zeros at and after its end. wide: tt_aligned8
// of the array; LAST: see tt_load8.
template <bool LAST = false, class T>
TT_DEVICE tt_eight tt_row_eight(const T *row, int c, int width, bool wide) {
  return wide ? tt_load8<LAST>(row + c) : tt_load_any(row + c, width - c);
}
template <bool LAST = false, class T>
TT_DEVICE void tt_row_store(T *row, int c, int width, bool wide, const tt_eight &e) {
  if (wide)
    tt_store8<LAST>(row + c, e);
  else
    tt_store_any(row + c, width - c, e);
}
TT_DEVICE tt_eight tt_no_eight() {
  tt_eight e;
#pragma unroll
  for (int i = 0; i < 8; i++) e.v[i] = 0.0f;
  return e;
}

// A strip is 16 rows of 64 channels, four tiles: what a warp makes at a time, so that each of its rows is 64
// neighbouring channels in memory. It passes through shared memory as floats, with a few more to a row so
// that rows start in different banks. A lane then has eight channels of every fourth row.
enum { TT_STRIP = 64, TT_STRIP_PITCH = 68, TT_STRIP_FLOATS = 16 * TT_STRIP_PITCH };

template <class T> TT_DEVICE void tt_strip_store(tt_tile_sum<T> tiles[4], float *strip) {
#pragma unroll
  for (int q = 0; q < 4; q++) tiles[q].store(strip + 16 * q, TT_STRIP_PITCH);
}
TT_DEVICE tt_eight tt_strip_eight(const float *strip, int row, int octet) {
  return tt_load8(strip + row * TT_STRIP_PITCH + 8 * octet);
}

// Rows from, from + step, ... of (rows, width) with a row every `stride` as (count, pitch) in shared memory;
// zeros to the right of `width` and below `present`. All threads of the block call.
template <class T>
TT_DEVICE void tt_stage_rows(const T *from, int64_t stride, bool wide, int width, int present, int count,
                             T *to, int pitch) {
  int octets = tt_tiled(width) / 8;
  for (int at = (int)threadIdx.x; at < count * octets; at += (int)blockDim.x) {
    int row = at / octets, c = at % octets * 8;
    tt_eight e =
        row < present && c < width ? tt_row_eight(from + row * stride, c, width, wide) : tt_no_eight();
    tt_store8(to + row * pitch + c, e);
  }
}

// Cuts scratch into arrays that start at 256-byte boundaries. With no scratch it counts the bytes alone.
struct tt_pair_room {
  char *at;
  size_t used;

  explicit tt_pair_room(float *scratch) : at(reinterpret_cast<char *>(scratch)), used(0) {
    if (at != nullptr) used = (256 - reinterpret_cast<uintptr_t>(at) % 256) % 256;
  }
  template <class A> A *cut(int64_t count) {
    char *here = at + used;
    used += static_cast<size_t>(tt_multiple(count * static_cast<int64_t>(sizeof(A)), 256));
    return at == nullptr ? nullptr : reinterpret_cast<A *>(here);
  }
  // 256 more: scratch itself may start between boundaries
  size_t floats() const { return (used + 256) / sizeof(float); }
};

// to (width) += the sum of the rows of part (rows, width; a row every `pitch`), in a fixed order.
void tt_cuda_sum_parts(const float *part, int64_t rows, int64_t pitch, int width, float *to);

#endif
