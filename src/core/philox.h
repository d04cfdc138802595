// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). A draw is a pure function of (key, counter): no state, so it depends on no rank, order or batch.
#ifndef TT_CORE_PHILOX_H
#define TT_CORE_PHILOX_H

#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__ // kernels draw the same words
#define TT_EVERYWHERE static inline __host__ __device__
#else
#define TT_EVERYWHERE static inline
#endif

typedef struct {
  uint32_t v[4];
} tt_philox4;

TT_EVERYWHERE tt_philox4 tt_philox(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1, c3 = (uint32_t)p0, c0 = n0, c2 = n2;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  tt_philox4 block = {{c0, c1, c2, c3}};
  return block;
}

// A well-mixed 64-bit function (the finaliser of SplitMix64).
TT_EVERYWHERE uint64_t tt_mix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// Its inverse.
static inline uint64_t tt_unmix64(uint64_t x) {
  x = (x ^ x >> 31 ^ x >> 62) * 0x319642B2D24D8EC3u;
  x = (x ^ x >> 27 ^ x >> 54) * 0x96DE1B173F119089u;
  return (x ^ x >> 30 ^ x >> 60) - 0x9E3779B97F4A7C15u;
}

// The Philox key of a stream named by three integers, e.g. (seed, epoch, sample) or (seed, step, sample).
TT_EVERYWHERE uint64_t tt_stream(uint64_t seed, uint64_t a, uint64_t b) {
  return tt_mix64(tt_mix64(tt_mix64(seed) ^ a) ^ b);
}

// Uses of a run's seed whose streams would otherwise bear the same names: (step, sample) of dropout is often
// (epoch, record) of some sample's masks. Changing a value changes every run: append only.
enum { TT_SEED_DROPOUT = 1, TT_SEED_ORDER = 2 };

// The seed of one use; masks and noise take the run's (or the validation's) seed itself.
static inline uint64_t tt_seed_for(uint64_t seed, uint32_t use) {
  return tt_mix64(tt_mix64(seed) + use);
}

// Uniform in [0, 1) with 32 bits, exact in double.
static inline double tt_uniform(uint32_t bits) {
  return bits * 0x1p-32;
}

// Two standard normal numbers from two words (Box-Muller); the first word is mapped to (0, 1].
static inline void tt_normal2(uint32_t a, uint32_t b, double *x, double *y) {
  double radius = sqrt(-2.0 * log((a + 1.0) * 0x1p-32)), angle = 6.283185307179586 * (b * 0x1p-32);
  *x = radius * cos(angle), *y = radius * sin(angle);
}

#endif
