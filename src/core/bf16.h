// bf16: the upper half of an fp32 number.
#ifndef TT_CORE_BF16_H
#define TT_CORE_BF16_H

#include <stdint.h>
#include <string.h>

// Exact.
static inline float tt_float_of_bf16(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// To the nearest, of two equally near to the even one; too large becomes infinite, NaN stays NaN.
static inline uint16_t tt_bf16_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
