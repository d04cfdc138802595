#include "core/element_digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// A checkpoint of a large model digests billions of elements: where the build knows how, this loop is
// compiled several times, and the program's loader picks the copy with the widest vectors that the machine
// has.
#ifdef TT_TARGET_CLONES
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif
CLONES static void add(uint64_t sum[2], const float *values, uint64_t count, uint64_t first) {
  uint64_t a = 0, b = 0;
  for (uint64_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, values + i, sizeof bits);
    uint64_t x = ((first + i) << 32 | bits) ^ 0x9e3779b97f4a7c15;
    uint64_t y = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    uint64_t z = (y ^ y >> 27) * 0x94d049bb133111eb;
    uint64_t u = z ^ z >> 31;
    uint64_t v = (u ^ u >> 32) * 0xd6e8feb86659fd93;
    a += u;
    b += v ^ v >> 29;
  }
  sum[0] += a;
  sum[1] += b;
}

void tt_element_digest_add(tt_element_digest *digest, const float *values, int64_t count,
                           int64_t first_element) {
  uint64_t sum[2] = {digest->a, digest->b};
  add(sum, values, (uint64_t)count, (uint64_t)first_element);
  *digest = (tt_element_digest){sum[0], sum[1]};
}

tt_digest tt_element_digest_text(tt_element_digest digest) {
  tt_digest d;
  snprintf(d.text, sizeof d.text, "%016" PRIx64 "%016" PRIx64, digest.a, digest.b);
  return d;
}
