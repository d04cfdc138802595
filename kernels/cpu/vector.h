// Vector code without intrinsics. Lanes are explicit, so that the order of a sum depends on shapes (and on
// the instruction set, which isa.h names), never on addresses.
#ifndef TT_KERNELS_CPU_VECTOR_H
#define TT_KERNELS_CPU_VECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "isa.h"

#define TT_INLINE inline __attribute__((always_inline))

// Before a loop whose arrays are either the same or apart: no iteration reads what another one writes.
#if defined(__GNUC__) && !defined(__clang__)
#define TT_INDEPENDENT _Pragma("GCC ivdep")
#else
#define TT_INDEPENDENT
#endif

// The machine's widest registers. (Wider vectors than it has are compiled very badly.)
#if defined(__AVX512F__)
#define TT_LANES 16
#elif defined(__AVX2__)
#define TT_LANES 8
#else
#define TT_LANES 4
#endif
enum { TT_LANE_BYTES = TT_LANES * (int)sizeof(float) };
typedef float tt_lanes __attribute__((vector_size(TT_LANE_BYTES), may_alias));
typedef float tt_lanes_unaligned __attribute__((vector_size(TT_LANE_BYTES), aligned(4), may_alias));
#define TT_LOAD(p) (*(const tt_lanes_unaligned *)(p))
#define TT_STORE(p, value) (*(tt_lanes_unaligned *)(p) = (value))

typedef int32_t tt_lane_bits __attribute__((vector_size(TT_LANE_BYTES), may_alias));

// Lane l of the result is lane l ^ k of v.
#if TT_LANES == 16
#define TT_LANE_SWAP(v, k)                                                                                   \
  __builtin_shufflevector(v, v, 0 ^ k, 1 ^ k, 2 ^ k, 3 ^ k, 4 ^ k, 5 ^ k, 6 ^ k, 7 ^ k, 8 ^ k, 9 ^ k,        \
                          10 ^ k, 11 ^ k, 12 ^ k, 13 ^ k, 14 ^ k, 15 ^ k)
#elif TT_LANES == 8
#define TT_LANE_SWAP(v, k)                                                                                   \
  __builtin_shufflevector(v, v, 0 ^ k, 1 ^ k, 2 ^ k, 3 ^ k, 4 ^ k, 5 ^ k, 6 ^ k, 7 ^ k)
#else
#define TT_LANE_SWAP(v, k) __builtin_shufflevector(v, v, 0 ^ k, 1 ^ k, 2 ^ k, 3 ^ k)
#endif

// The larger of each pair of lanes; b where either is not a number.
static TT_INLINE tt_lanes tt_lanes_larger(tt_lanes a, tt_lanes b) {
  tt_lane_bits takes_a = a > b;
  return (tt_lanes)((takes_a & (tt_lane_bits)a) | (~takes_a & (tt_lane_bits)b));
}

// Sum and largest of the lanes, in a fixed tree.
static TT_INLINE float tt_lane_sum(tt_lanes v) {
#if TT_LANES == 16
  v += TT_LANE_SWAP(v, 8);
#endif
#if TT_LANES >= 8
  v += TT_LANE_SWAP(v, 4);
#endif
  v += TT_LANE_SWAP(v, 2);
  v += TT_LANE_SWAP(v, 1);
  return v[0];
}

static TT_INLINE float tt_lane_largest(tt_lanes v) {
#if TT_LANES == 16
  v = tt_lanes_larger(v, TT_LANE_SWAP(v, 8));
#endif
#if TT_LANES >= 8
  v = tt_lanes_larger(v, TT_LANE_SWAP(v, 4));
#endif
  v = tt_lanes_larger(v, TT_LANE_SWAP(v, 2));
  v = tt_lanes_larger(v, TT_LANE_SWAP(v, 1));
  return v[0];
}

// e^x to 2 units in the last place; 0 where the result would not be a normal number (x < -87.33), inf
// above 88.72. 2^n e^r, |r| <= ln 2 / 2; e^r = 1 + r + r^2 q(r), q a minimax polynomial (relative error
// 3e-9).
static TT_INLINE float tt_expf(float x) {
  const float lowest = -87.33654f, highest = 88.8f;
  float y = x < lowest ? lowest : x;
  y = y > highest ? highest : y;
  const float shifter = 0x1.8p23f; // adding it rounds to an integer, held in the low bits
  float shifted = y * 0x1.715476p+0f + shifter;
  float n = shifted - shifter;
  float r = y - n * 0x1.62e4p-1f; // ln 2 in two parts; n times the first is exact
  r = r - n * 0x1.7f7d1cp-20f;
  float q = 0.0013814320f;
  q = q * r + 0.0083688511f;
  q = q * r + 0.041668401f;
  q = q * r + 0.16666520f;
  q = q * r + 0.49999993f;
  float e = (q * r) * r + r + 1.0f;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - 0x4B400000u + 127u) << 23; // n = 128 gives the bits of infinity
  float power;
  memcpy(&power, &bits, sizeof power);
  e = e * power;
  return x < lowest ? 0.0f : e;
}

static TT_INLINE float tt_sigmoid(float x) {
  return 1.0f / (1.0f + tt_expf(-x));
}

// The normal density (without its 1 / sqrt(2 pi)) and distribution function, to 1.5e-7. For t = |x|, 1 -
// Phi(t) = e^(-t^2/2) R(t); R is a minimax polynomial in s = 1 / (1 + t/4) - 5/8 on t < 13.4 (relative
// error 1.2e-8; centred, so that rounding stays small).
static TT_INLINE void tt_normal(float x, float *density, float *distribution) {
  float t = x < 0.0f ? -x : x;
  float e = tt_expf(-0.5f * t * t);
  float s = 1.0f / (1.0f + 0.25f * t) - 0.625f;
  float r = 0.0345844328f;
  r = r * s - 0.00508612953f;
  r = r * s - 0.108699158f;
  r = r * s - 0.0548924655f;
  r = r * s + 0.264791995f;
  r = r * s + 0.664989591f;
  r = r * s + 0.863540649f;
  r = r * s + 0.764306128f;
  r = r * s + 0.496258348f;
  r = r * s + 0.146033138f;
  float tail = e * r;
  *density = e;
  *distribution = x < 0.0f ? tail : 1.0f - tail;
}

static TT_INLINE float tt_gelu(float x) {
  float density, distribution;
  tt_normal(x, &density, &distribution);
  return x * distribution;
}

static TT_INLINE void tt_gelu_both(float x, float *value, float *slope) {
  float density, distribution;
  tt_normal(x, &density, &distribution);
  *value = x * distribution;
  *slope = distribution + x * (0.398942280f * density);
}

// d gelu / dx = Phi(x) + x phi(x)
static TT_INLINE float tt_gelu_slope(float x) {
  float density, distribution;
  tt_normal(x, &density, &distribution);
  return distribution + x * (0.398942280f * density);
}

// out (columns, rows) = [out +] transpose of in (rows, columns), with row strides
void TT_CPU(transpose)(int rows, int columns, const float *in, int64_t in_stride, bool accumulate, float *out,
                       int64_t out_stride);

#endif
