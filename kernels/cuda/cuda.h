// The frame that every file of the CUDA backend is written in. It has two meanings: under nvcc, kernels for
// a GPU; under any C++ compiler, the same kernels run by the emulator (kernels/emulated) on the processor, so
// that launch geometry, sizes of shared memory and index arithmetic are tested where there is no GPU.
//
// What a kernel may use is what both know: the names below, threadIdx, blockIdx, blockDim, gridDim,
// __syncthreads(), __syncwarp(), __shfl_sync, __shfl_xor_sync, __shfl_down_sync (full mask; all 32 lanes
// reach it), and the functions of <math.h>. No atomics: the same bits each time (src/device/ops.h).
//
//   template <class T> TT_KERNEL(256) scale(const T *x, int64_t count, T *y) { ... }   // at most 256 threads
//   TT_LAUNCH((scale<T>), blocks, 256, shared_bytes, x, count, y);     // on the backend's stream, queued
#ifndef TT_KERNELS_CUDA_CUDA_H
#define TT_KERNELS_CUDA_CUDA_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

extern "C" {
#include "device/cuda.h"
#include "device/ops.h"
}

#ifdef __CUDACC__
#define TT_KERNEL(most_threads) static __global__ void __launch_bounds__(most_threads)
#define TT_DEVICE static __device__ __forceinline__
#define TT_DEVICE_MEMBER __device__ __forceinline__ // of a class, or a specialisation: cannot be static
// TT_SHARED float x[256]; holds garbage at first
#define TT_SHARED __shared__ __align__(32)
// The shared memory that TT_LAUNCH was given bytes of, as type *name
#define TT_DYNAMIC_SHARED(type, name)                                                                        \
  extern __shared__ __align__(128) unsigned char tt_dynamic_shared[];                                        \
  type *name = reinterpret_cast<type *>(tt_dynamic_shared)
#else
#include "emulated/emulator.h"
#endif

enum { TT_WARP = 32, TT_MOST_SHARED = 160 * 1024 }; // bytes of shared memory that every GPU meant here has

// What the backend has on its one device. Set by tt_cuda_start (device.cu).
typedef struct {
  cudaStream_t stream;
  int multiprocessors;
} tt_cuda_state;
extern tt_cuda_state tt_cuda;

// Ends the process: the table's functions return nothing, so an error of the device can be told in no other
// way. Prints one line: where, what was tried, why; exits with TT_EXIT_MACHINE.
[[noreturn]] void tt_cuda_fail(const char *file, int line, const char *what, const char *why);
#define TT_CUDA(call)                                                                                        \
  do {                                                                                                       \
    cudaError_t tt_error_ = (call);                                                                          \
    if (tt_error_ != cudaSuccess) tt_cuda_fail(__FILE__, __LINE__, #call, cudaGetErrorString(tt_error_));    \
  } while (0)

// Starts a kernel with `blocks` and `threads` (numbers, or dim3) and `shared` bytes of dynamic shared memory.
// No blocks: nothing is started.
#define TT_LAUNCH(kernel, blocks, threads, shared, ...)                                                      \
  tt_launch(tt_launch_place{#kernel, __FILE__, __LINE__}, kernel, tt_grid(blocks), tt_grid(threads), shared, \
            __VA_ARGS__)

struct tt_launch_place {
  const char *kernel, *file;
  int line;
};

// More blocks than there can be would otherwise lose their upper bits on the way.
static inline dim3 tt_grid(int64_t x) {
  if (x < 0 || x > 0x7fffffff) tt_cuda_fail(__FILE__, __LINE__, "a launch", "too many blocks");
  return dim3(static_cast<unsigned>(x));
}
static inline dim3 tt_grid(dim3 blocks) {
  return blocks;
}

#ifdef __CUDACC__
template <class... P, class... A>
static void tt_launch(tt_launch_place place, void (*kernel)(P...), dim3 blocks, dim3 threads, size_t shared,
                      A... arguments) {
  if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0) return;
  cudaError_t error = cudaSuccess;
  if (shared > 48 * 1024)
    error = cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel),
                                 cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
  if (error == cudaSuccess) {
    kernel<<<blocks, threads, shared, tt_cuda.stream>>>(static_cast<P>(arguments)...);
    error = cudaGetLastError();
  }
  if (error != cudaSuccess) tt_cuda_fail(place.file, place.line, place.kernel, cudaGetErrorString(error));
}
#endif

// How many parts of `size` hold `count`.
static inline int64_t tt_parts(int64_t count, int64_t size) {
  return (count + size - 1) / size;
}

// The molecule whose rows [offset[m], offset[m + 1]) hold `row`.
TT_DEVICE int tt_find_molecule(const int64_t *offset, int molecules, int64_t row) {
  int low = 0, high = molecules - 1;
  while (low < high) {
    int middle = (low + high + 1) / 2;
    if (offset[middle] <= row)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

#endif
