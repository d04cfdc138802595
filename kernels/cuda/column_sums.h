// Sums over rows (gradients of biases and of LayerNorm's parameters) in two stages, without atomics: each
// block of rows writes its own sums to scratch, then one kernel adds them in order. Which rows belong
// together depends on shapes only.
#ifndef TT_KERNELS_CUDA_COLUMN_SUMS_H
#define TT_KERNELS_CUDA_COLUMN_SUMS_H

#include "cuda.h"
#include "rows.h"
#include "slab.h"

struct tt_column_sum {
  float *partial;       // (blocks, columns)
  float *to;            // (columns), +=; NULL: not wanted
  int64_t blocks, rows; // blocks, and the rows of one
  int columns;
};
enum { TT_MOST_SUMS = 5, TT_SUM_ROWS = 64, TT_SUM_BLOCKS = 1024 };

// The sums over `slab` rows, `rows_a_block` of them (a multiple of 8; TT_SUM_ROWS unless the caller's kernel
// wants another number) in a block, or more where that would make more than TT_SUM_BLOCKS blocks. Each slab
// of `rows` rows adds to the same blocks. What is cut depends on `rows`, not on the slab.
tt_column_sum tt_column_sum_cut(tt_room *room, int64_t rows, int64_t slab, int rows_a_block, int columns,
                                float *to);

// to += the blocks' sums, for `count` sums at once.
void tt_column_sum_finish(const tt_column_sum *sums, int count);

// Rows to be added up as they are: x (rows, sum.columns).
template <class T> struct tt_column_source {
  const T *x;
  tt_column_sum sum;
};
// First stage of up to TT_MOST_SUMS arrays in one kernel, which should be the last to read them for a while.
// `add`: to the sums of an earlier slab.
template <class T>
void tt_column_sum_rows(const tt_column_source<T> *sources, int count, int64_t rows, bool add);

// For kernels whose block of 8 warps has one strip of channels (blockIdx.y) and the rows of one block of sums
// (blockIdx.x), a warp each eighth row: writes what the warps' lanes have added up. All threads call.
TT_DEVICE void tt_column_sum_store(const tt_column_sum &sum, int strip, const tt_eight &mine, bool add) {
  TT_SHARED float warps[8 * TT_STRIP];
  int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  for (int e = 0; e < 8; e++) warps[warp * TT_STRIP + e * 32 + lane] = mine.v[e];
  __syncthreads();
  int c = strip * TT_STRIP + (int)threadIdx.x;
  if (sum.to == nullptr || c >= sum.columns) return;
  float total = 0;
  for (int w = 0; w < 8; w++) total += warps[w * TT_STRIP + (int)threadIdx.x % 8 * 32 + (int)threadIdx.x / 8];
  float *to = sum.partial + (int64_t)blockIdx.x * sum.columns + c;
  *to = add ? *to + total : total;
}

#endif
