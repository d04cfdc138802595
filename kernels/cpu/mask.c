#include "mask.h"
#include "vector.h"

#include "core/philox.h"

#include <math.h>
#include <string.h>

tt_mask_stream tt_mask_stream_of(const tt_dropout *d, uint64_t sample) {
  uint32_t threshold = (uint32_t)lround(d->probability * 65536.0);
  return (tt_mask_stream){.key = tt_stream(d->seed, d->step, sample),
                          .c0 = d->layer * 16 + d->site,
                          .threshold = threshold,
                          .scale = (float)(65536.0 / (65536.0 - threshold))};
}

// One round of Philox4x32; written out ten times, so that the loop over blocks is the one that becomes
// vectors.
#define ROUND                                                                                                \
  do {                                                                                                       \
    uint64_t p0 = (uint64_t)0xD2511F53u * x0, p1 = (uint64_t)0xCD9E8D57u * x2;                               \
    x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0, x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;                                \
    x1 = (uint32_t)p1, x3 = (uint32_t)p0;                                                                    \
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;                                                                    \
  } while (0)

TT_KERNEL void tt_mask_draw(const tt_mask_stream *stream, int count, const uint32_t *restrict c1,
                            const uint32_t *restrict c2, const uint32_t *restrict c3, float *restrict mask) {
  uint32_t words[TT_MASK_BLOCKS * 4];
  const uint32_t key0 = (uint32_t)stream->key, key1 = (uint32_t)(stream->key >> 32), c0 = stream->c0;
  for (int b = 0; b < count; b++) {
    uint32_t x0 = c0, x1 = c1[b], x2 = c2[b], x3 = c3[b], k0 = key0, k1 = key1;
    ROUND;
    ROUND;
    ROUND;
    ROUND;
    ROUND;
    ROUND;
    ROUND;
    ROUND;
    ROUND;
    ROUND;
    words[4 * b] = x0, words[4 * b + 1] = x1, words[4 * b + 2] = x2, words[4 * b + 3] = x3;
  }
  const uint32_t threshold = stream->threshold;
  const float scale = stream->scale;
  for (int i = 0; i < 4 * count; i++) {
    mask[2 * i] = (words[i] & 0xFFFFu) < threshold ? 0.0f : scale;
    mask[2 * i + 1] = (words[i] >> 16) < threshold ? 0.0f : scale;
  }
}

void tt_mask_head(const tt_mask_stream *stream, int head, int length, float *mask) {
  uint32_t c1[TT_MASK_BLOCKS], c2[TT_MASK_BLOCKS], c3[TT_MASK_BLOCKS];
  float tile[TT_MASK_BLOCKS * TT_MASK_WORDS] __attribute__((aligned(64)));
  int blocks = (length + TT_MASK_WORDS - 1) / TT_MASK_WORDS,
      rows = TT_MASK_BLOCKS / blocks; // whole rows a tile
  for (int b = 0; b < TT_MASK_BLOCKS; b++) c1[b] = (uint32_t)head, c3[b] = (uint32_t)(b % blocks);
  for (int i = 0; i < length; i += rows) {
    int taken = length - i < rows ? length - i : rows;
    for (int b = 0; b < taken * blocks; b++) c2[b] = (uint32_t)(i + b / blocks);
    tt_mask_draw(stream, taken * blocks, c1, c2, c3, tile);
    for (int r = 0; r < taken; r++, mask += length)
      memcpy(mask, tile + (int64_t)r * blocks * TT_MASK_WORDS, (size_t)length * sizeof *mask);
  }
}

TT_KERNEL void tt_mask_multiply(int64_t count, const float *a, const float *b, float *out) {
  TT_INDEPENDENT
  for (int64_t e = 0; e < count; e++) out[e] = a[e] * b[e];
}
