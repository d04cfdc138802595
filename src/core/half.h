// IEEE half-precision numbers, where a file holds some.
#ifndef TT_CORE_HALF_H
#define TT_CORE_HALF_H

#include <stdint.h>
#include <string.h>

// Exact.
static inline float tt_float_of_half(uint16_t h) {
  uint32_t sign = (uint32_t)(h >> 15) << 31, exponent = h >> 10 & 31, fraction = h & 1023;
  if (exponent == 0) { // subnormal: fraction * 2^-24
    float value = (float)fraction * 0x1p-24f;
    return sign ? -value : value;
  }
  uint32_t bits = sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | fraction << 13;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

#endif
