// A digest of a tensor's elements that does not depend on who holds them: every element adds a mix of its
// index and its bits, so any rank digests any part in any order, and parts add up. For the element with this
// index (its place in the whole tensor, row by row; below 2^32) and these 32 bits, modulo 2^64:
//
//   x = (index << 32 | bits) ^ 0x9e3779b97f4a7c15
//   y = (x ^ x >> 30) * 0xbf58476d1ce4e5b9
//   z = (y ^ y >> 27) * 0x94d049bb133111eb
//   u = z ^ z >> 31
//   v = (u ^ u >> 32) * 0xd6e8feb86659fd93
//   w = v ^ v >> 29
//
// The digest is a = the sum of u (SplitMix64's finaliser) and b = the sum of w, over the elements. A change
// of one element always shows in both, for every step is one to one; any other is missed by chance only, and
// not by design: it guards against accidents, not against forgery. The text is a, then b, in hexadecimal.
#ifndef TT_CORE_ELEMENT_DIGEST_H
#define TT_CORE_ELEMENT_DIGEST_H

#include <stdint.h>

#include "core/digest.h"

typedef struct {
  uint64_t a, b;
} tt_element_digest; // starts as {0}; the digest of two parts is the sum of both fields

// Adds elements first_element, ..., first_element + count - 1 of a tensor (all below 2^32).
void tt_element_digest_add(tt_element_digest *digest, const float *values, int64_t count,
                           int64_t first_element);

tt_digest tt_element_digest_text(tt_element_digest digest);

#endif
