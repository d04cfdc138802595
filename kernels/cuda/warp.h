// Sums and maxima over the lanes of a warp and the threads of a block. All lanes (threads) must call; all get
// the result, the same bits: the order of additions is fixed.
#ifndef TT_KERNELS_CUDA_WARP_H
#define TT_KERNELS_CUDA_WARP_H

#include "cuda.h"

#define TT_ALL_LANES 0xffffffffu

// LANES: over that many neighbours each, a power of two.
template <int LANES = 32, class F> TT_DEVICE F tt_warp_sum(F x) { // float or double
#pragma unroll
  for (int step = LANES / 2; step > 0; step /= 2) x += __shfl_xor_sync(TT_ALL_LANES, x, step);
  return x;
}

template <int LANES = 32> TT_DEVICE float tt_warp_max(float x) {
#pragma unroll
  for (int step = LANES / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(TT_ALL_LANES, x, step));
  return x;
}

// Over the THREADS threads of a block (a multiple of 32, one-dimensional). May be called again at once.
template <int THREADS, class F> TT_DEVICE F tt_block_sum(F x) {
  TT_SHARED F part[THREADS / 32];
  x = tt_warp_sum(x);
  __syncthreads(); // the parts of an earlier call have been read
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
  __syncthreads();
  F sum = part[0];
#pragma unroll
  for (int w = 1; w < THREADS / 32; w++) sum += part[w];
  return sum;
}

template <int THREADS> TT_DEVICE float tt_block_max(float x) {
  TT_SHARED float part[THREADS / 32];
  x = tt_warp_max(x);
  __syncthreads();
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
  __syncthreads();
  float most = part[0];
#pragma unroll
  for (int w = 1; w < THREADS / 32; w++) most = fmaxf(most, part[w]);
  return most;
}

#endif
