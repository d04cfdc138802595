// The numbers that activations are kept in: float, or tt_bf16 (the upper half of a float, rounded to nearest,
// ties to even). Kernels load them into floats, compute there, and round once, where they store.
#ifndef TT_KERNELS_CUDA_NUMBER_H
#define TT_KERNELS_CUDA_NUMBER_H

#include "cuda.h"

struct tt_bf16 {
  uint16_t bits;
};

// What the table's pointers point to when the backend keeps activations in T.
template <class T> static inline const T *tt_cells(const float *x) {
  return reinterpret_cast<const T *>(x);
}
template <class T> static inline T *tt_cells(float *x) {
  return reinterpret_cast<T *>(x);
}

TT_DEVICE float tt_to_float(float x) {
  return x;
}
TT_DEVICE float tt_to_float(tt_bf16 x) {
#ifdef __CUDACC__
  return __uint_as_float(static_cast<uint32_t>(x.bits) << 16);
#else
  uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float f;
  __builtin_memcpy(&f, &bits, sizeof f);
  return f;
#endif
}

template <class T> TT_DEVICE T tt_from_float(float x);
template <> TT_DEVICE_MEMBER float tt_from_float<float>(float x) {
  return x;
}
template <> TT_DEVICE_MEMBER tt_bf16 tt_from_float<tt_bf16>(float x) {
  tt_bf16 y;
#ifdef __CUDACC__
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
#else
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  y.bits = x != x ? 0x7fff : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
#endif
  return y;
}

// Eight neighbouring elements, as floats: 16 bytes of bf16, 32 of fp32, in accesses of 16 bytes.
struct tt_eight {
  float v[8];
};

// Whether rows of `width` elements from p on can be read by tt_load8 at every multiple of 8: kernels take
// another way, element by element, where they cannot.
template <class T> static inline bool tt_aligned8(const T *p, int64_t width) {
  return reinterpret_cast<uintptr_t>(p) % 16 == 0 && width % 8 == 0;
}

#ifndef __CUDACC__
TT_DEVICE void tt_check_aligned(const void *p) {
  if (reinterpret_cast<uintptr_t>(p) % 16 != 0) tt_emulated_error("an access of 16 bytes is not aligned");
}
#endif

// LAST: a hint that these bytes are not used again soon, so that they leave the second-level cache before
// others, which are: those that a slab's kernels leave to each other (slab.h).
#ifdef __CUDACC__
template <bool LAST, class W> TT_DEVICE W tt_fetch(const W *p) {
  return LAST ? __ldcs(p) : *p;
}
template <bool LAST, class W> TT_DEVICE void tt_put(W *p, W x) {
  if (LAST)
    __stcs(p, x);
  else
    *p = x;
}
#endif

template <bool LAST = false> TT_DEVICE tt_eight tt_load8(const float *p) {
  tt_eight e;
#ifdef __CUDACC__
  float4 a = tt_fetch<LAST>(reinterpret_cast<const float4 *>(p)),
         b = tt_fetch<LAST>(reinterpret_cast<const float4 *>(p) + 1);
  e.v[0] = a.x, e.v[1] = a.y, e.v[2] = a.z, e.v[3] = a.w;
  e.v[4] = b.x, e.v[5] = b.y, e.v[6] = b.z, e.v[7] = b.w;
#else
  tt_check_aligned(p);
  for (int i = 0; i < 8; i++) e.v[i] = p[i];
#endif
  return e;
}
template <bool LAST = false> TT_DEVICE tt_eight tt_load8(const tt_bf16 *p) {
  tt_eight e;
#ifdef __CUDACC__
  uint4 words = tt_fetch<LAST>(reinterpret_cast<const uint4 *>(p));
  const uint32_t w[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    e.v[2 * i] = __uint_as_float(w[i] << 16);
    e.v[2 * i + 1] = __uint_as_float(w[i] & 0xffff0000u);
  }
#else
  tt_check_aligned(p);
  for (int i = 0; i < 8; i++) e.v[i] = tt_to_float(p[i]);
#endif
  return e;
}

template <bool LAST = false> TT_DEVICE void tt_store8(float *p, tt_eight e) {
#ifdef __CUDACC__
  tt_put<LAST>(reinterpret_cast<float4 *>(p), make_float4(e.v[0], e.v[1], e.v[2], e.v[3]));
  tt_put<LAST>(reinterpret_cast<float4 *>(p) + 1, make_float4(e.v[4], e.v[5], e.v[6], e.v[7]));
#else
  tt_check_aligned(p);
  for (int i = 0; i < 8; i++) p[i] = e.v[i];
#endif
}
template <bool LAST = false> TT_DEVICE void tt_store8(tt_bf16 *p, tt_eight e) {
#ifdef __CUDACC__
  uint32_t w[4];
#pragma unroll
  for (int i = 0; i < 4; i++)
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(w[i]) : "f"(e.v[2 * i + 1]), "f"(e.v[2 * i]));
  tt_put<LAST>(reinterpret_cast<uint4 *>(p), make_uint4(w[0], w[1], w[2], w[3]));
#else
  tt_check_aligned(p);
  for (int i = 0; i < 8; i++) p[i] = tt_from_float<tt_bf16>(e.v[i]);
#endif
}

// The same for p that may be anywhere: elements at and after `count` are 0, and are not stored.
template <class T> TT_DEVICE tt_eight tt_load_any(const T *p, int count) {
  tt_eight e;
#pragma unroll
  for (int i = 0; i < 8; i++) e.v[i] = i < count ? tt_to_float(p[i]) : 0.0f;
  return e;
}
template <class T> TT_DEVICE void tt_store_any(T *p, int count, tt_eight e) {
#pragma unroll
  for (int i = 0; i < 8; i++)
    if (i < count) p[i] = tt_from_float<T>(e.v[i]);
}

#endif
