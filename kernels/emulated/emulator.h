// The emulator: kernels of kernels/cuda compiled as plain C++ and run on the processor, one thread after the
// other. It is made to find what a GPU would not forgive:
// - launches are queued, and run when the host waits: results read too early are not there yet;
// - blocks, and the threads of a block between two barriers, run in an order drawn from TT_EMULATE_SEED
//   (a number, 1 unless set): a missing barrier changes results;
// - shared and newly allocated memory hold NaN; memory of the device cannot be touched by the host, which
// ends
//   with a segmentation fault, nor past its ends (runtime.h);
// - a thread that ends while others wait at a barrier, barriers or shuffles of different lines that meet,
// lanes
//   missing from a shuffle, launches beyond a GPU's limits or above the kernel's own, pointers to memory of
//   the host, accesses of 16 bytes that are not aligned: one line that names the kernel, and exit code 70.
//
// Each thread of a block has a stack and runs until it waits; one that never does costs a function call. Not
// for several host threads.
#ifndef TT_KERNELS_EMULATED_EMULATOR_H
#define TT_KERNELS_EMULATED_EMULATOR_H

#include <functional>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <type_traits>

#include "runtime.h"

// A kernel is a plain function; that many bytes of `nop` at its start, which nothing else puts there, tell
// the launch how many warps it was compiled for.
#if defined(__x86_64__)
#define TT_EMULATED_BOUND(threads) __attribute__((patchable_function_entry((threads) / 32, 0)))
#else
#define TT_EMULATED_BOUND(threads)
#endif
#define TT_KERNEL(most_threads)                                                                              \
  __attribute__((noinline, noclone, no_icf)) TT_EMULATED_BOUND(most_threads) static void
#define TT_DEVICE static inline
#define TT_DEVICE_MEMBER inline
#define TT_SHARED static __attribute__((section("tt_shared"), aligned(32)))
#define TT_DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(tt_emulated_dynamic)

extern dim3 threadIdx, blockIdx, blockDim, gridDim;
extern void *tt_emulated_dynamic;

// Ends the process: "emulator: KERNEL, block (..), thread (..): what".
[[noreturn]] void tt_emulated_error(const char *what);

// ---- launches ----
struct tt_launch_place;
// How often may the kernel be launched with: threads a block by its TT_KERNEL, 0 where that cannot be told.
unsigned tt_emulated_bound(const void *kernel);
void tt_emulated_queue(const tt_launch_place &place, unsigned bound, dim3 blocks, dim3 threads, size_t shared,
                       std::function<void()> body);
// Errors unless `p` is NULL or in memory of the device.
void tt_emulated_check_argument(const tt_launch_place &place, const void *p);

template <class P> static inline void tt_emulated_check(const tt_launch_place &place, const P &argument) {
  if constexpr (std::is_pointer<P>::value) tt_emulated_check_argument(place, argument);
}

template <class... P, class... A>
static void tt_launch(const tt_launch_place &place, void (*kernel)(P...), dim3 blocks, dim3 threads,
                      size_t shared, A... arguments) {
  if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0) return;
  (tt_emulated_check<P>(place, static_cast<P>(arguments)), ...);
  tt_emulated_queue(place, tt_emulated_bound(reinterpret_cast<const void *>(kernel)), blocks, threads, shared,
                    [=] { kernel(static_cast<P>(arguments)...); });
  if (cudaGetLastError() != cudaSuccess)
    tt_emulated_error("an earlier error was dealt with but not cleared: this launch would report it");
}

// ---- what threads wait for ----
void tt_emulated_barrier(const char *file, int line);
// All 32 lanes bring `bytes` (at most 8) of value; returns where lane `from` (0-31) has put its own, good
// until the warp's next but one meeting.
const void *tt_emulated_meet(const void *value, size_t bytes, unsigned from, const char *file, int line);

static inline void __syncthreads(const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  tt_emulated_barrier(file, line);
}
static inline void __syncwarp(unsigned mask = 0xffffffffu, const char *file = __builtin_FILE(),
                              int line = __builtin_LINE()) {
  if (mask != 0xffffffffu) tt_emulated_error("a mask that is not of all lanes");
  int nothing = 0;
  tt_emulated_meet(&nothing, sizeof nothing, 0, file, line);
}

unsigned tt_emulated_lane(void);
template <class F>
static inline F tt_emulated_shuffle(unsigned mask, F value, unsigned from, const char *file, int line) {
  static_assert(sizeof(F) <= 8, "shuffles move at most 8 bytes");
  if (mask != 0xffffffffu) tt_emulated_error("a mask that is not of all lanes");
  F result;
  memcpy(&result, tt_emulated_meet(&value, sizeof value, from, file, line), sizeof result);
  return result;
}
template <class F>
static inline F __shfl_sync(unsigned mask, F value, int lane, int width = 32,
                            const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  unsigned w = static_cast<unsigned>(width), own = tt_emulated_lane();
  return tt_emulated_shuffle(mask, value, own / w * w + static_cast<unsigned>(lane) % w, file, line);
}
template <class F>
static inline F __shfl_xor_sync(unsigned mask, F value, int lanes, int width = 32,
                                const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  unsigned w = static_cast<unsigned>(width), own = tt_emulated_lane();
  unsigned from = own ^ static_cast<unsigned>(lanes);
  return tt_emulated_shuffle(mask, value, from / w > own / w ? own : from, file, line);
}
template <class F>
static inline F __shfl_down_sync(unsigned mask, F value, unsigned lanes, int width = 32,
                                 const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  unsigned w = static_cast<unsigned>(width), own = tt_emulated_lane();
  return tt_emulated_shuffle(mask, value, own % w + lanes < w ? own + lanes : own, file, line);
}
template <class F>
static inline F __shfl_up_sync(unsigned mask, F value, unsigned lanes, int width = 32,
                               const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  unsigned w = static_cast<unsigned>(width), own = tt_emulated_lane();
  return tt_emulated_shuffle(mask, value, own % w >= lanes ? own - lanes : own, file, line);
}

// ---- functions that CUDA has beside those of <math.h> ----
static inline float rsqrtf(float x) {
  return 1.0f / sqrtf(x);
}
#define __expf expf // the C library has a function of this name
static inline float __fdividef(float x, float y) {
  return x / y;
}
template <class F> static inline F tt_emulated_least(F x, F y) {
  return x < y ? x : y;
}
template <class F> static inline F tt_emulated_most(F x, F y) {
  return x < y ? y : x;
}
#define TT_EMULATED_MINMAX(type)                                                                             \
  static inline type min(type x, type y) {                                                                   \
    return tt_emulated_least(x, y);                                                                          \
  }                                                                                                          \
  static inline type max(type x, type y) {                                                                   \
    return tt_emulated_most(x, y);                                                                           \
  }
TT_EMULATED_MINMAX(int)
TT_EMULATED_MINMAX(unsigned)
TT_EMULATED_MINMAX(long)
TT_EMULATED_MINMAX(unsigned long)
TT_EMULATED_MINMAX(long long)
TT_EMULATED_MINMAX(float)
TT_EMULATED_MINMAX(double)

#endif
