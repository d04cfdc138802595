#include "mask.h"
#include "vector.h"

#include "core/philox.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

tt_mask_stream TT_CPU(mask_stream_of)(const tt_dropout *d, uint64_t sample) {
  uint32_t threshold = (uint32_t)lround(d->probability * 65536.0);
  return (tt_mask_stream){.key = tt_stream(d->seed, d->step, sample),
                          .c0 = d->layer * 16 + d->site,
                          .threshold = threshold,
                          .first_head = d->first,
                          .first_block = d->first / TT_MASK_WORDS,
                          .scale = (float)(65536.0 / (65536.0 - threshold))};
}

// The four words of each block, block after block. Philox is integers only: every way below gives the same
// words. A word sits in the low half of a 64-bit lane: that is what the widening multiplication reads, so
// what is left in the high half never matters, and a round is two multiplications, two shifts and two
// exclusive ors. (Compilers find a much longer way from the plain loop.)
#define ROUNDS(multiply, shift, xor3, broadcast)                                                             \
  for (int round = 0; round < 10; round++) {                                                                 \
    lanes p0 = multiply(x0, m0), p1 = multiply(x2, m1);                                                      \
    x0 = xor3(shift(p1, 32), x1, broadcast((int)k0)), x2 = xor3(shift(p0, 32), x3, broadcast((int)k1));      \
    x1 = p1, x3 = p0;                                                                                        \
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;                                                                    \
  }

#if defined(__AVX512F__)
#define XOR3(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0x96)
static void draw_words(uint64_t key, uint32_t c0, int count, const uint32_t *c1, const uint32_t *c2,
                       const uint32_t *c3, uint32_t *words) {
  typedef __m512i lanes;
  const lanes m0 = _mm512_set1_epi32((int)0xD2511F53u), m1 = _mm512_set1_epi32((int)0xCD9E8D57u);
  const lanes first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11),
              second = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  const lanes low = _mm512_set1_epi64(0xFFFFFFFF);
  for (int b = 0; b < count; b += 8) {
    lanes x0 = _mm512_set1_epi32((int)c0),
          x1 = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const void *)(c1 + b)));
    lanes x2 = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const void *)(c2 + b)));
    lanes x3 = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const void *)(c3 + b)));
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    ROUNDS(_mm512_mul_epu32, _mm512_srli_epi64, XOR3, _mm512_set1_epi32)
    lanes head = _mm512_or_si512(_mm512_and_si512(x0, low), _mm512_slli_epi64(x1, 32));
    lanes tail = _mm512_or_si512(_mm512_and_si512(x2, low), _mm512_slli_epi64(x3, 32));
    _mm512_storeu_si512(words + 4 * b, _mm512_permutex2var_epi64(head, first, tail));
    _mm512_storeu_si512(words + 4 * b + 16, _mm512_permutex2var_epi64(head, second, tail));
  }
}
#elif defined(__AVX2__)
#define XOR3(a, b, c) _mm256_xor_si256(_mm256_xor_si256(a, b), c)
static void draw_words(uint64_t key, uint32_t c0, int count, const uint32_t *c1, const uint32_t *c2,
                       const uint32_t *c3, uint32_t *words) {
  typedef __m256i lanes;
  const lanes m0 = _mm256_set1_epi32((int)0xD2511F53u), m1 = _mm256_set1_epi32((int)0xCD9E8D57u);
  const lanes low = _mm256_set1_epi64x(0xFFFFFFFF);
  for (int b = 0; b < count; b += 4) {
    lanes x0 = _mm256_set1_epi32((int)c0),
          x1 = _mm256_cvtepu32_epi64(_mm_loadu_si128((const void *)(c1 + b)));
    lanes x2 = _mm256_cvtepu32_epi64(_mm_loadu_si128((const void *)(c2 + b)));
    lanes x3 = _mm256_cvtepu32_epi64(_mm_loadu_si128((const void *)(c3 + b)));
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    ROUNDS(_mm256_mul_epu32, _mm256_srli_epi64, XOR3, _mm256_set1_epi32)
    lanes head = _mm256_or_si256(_mm256_and_si256(x0, low), _mm256_slli_epi64(x1, 32));
    lanes tail = _mm256_or_si256(_mm256_and_si256(x2, low), _mm256_slli_epi64(x3, 32));
    lanes even = _mm256_unpacklo_epi64(head, tail),
          odd = _mm256_unpackhi_epi64(head, tail); // blocks 0, 2 and 1, 3
    _mm256_storeu_si256((void *)(words + 4 * b), _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256((void *)(words + 4 * b + 8), _mm256_permute2x128_si256(even, odd, 0x31));
  }
}
#else
static void draw_words(uint64_t key, uint32_t c0, int count, const uint32_t *c1, const uint32_t *c2,
                       const uint32_t *c3, uint32_t *words) {
  for (int b = 0; b < count; b++) {
    tt_philox4 block = tt_philox(key, c0, c1[b], c2[b], c3[b]);
    memcpy(words + 4 * b, block.v, sizeof block.v);
  }
}
#endif

// 16-bit word w of a block is the low half of 32-bit word w / 2 for even w: their order in a little-endian
// memory.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "masks are read as the 16-bit halves of 32-bit words");
typedef uint16_t half_word __attribute__((may_alias));

static void factors(int count, const half_word *restrict words, uint32_t threshold, float scale,
                    float *restrict mask) {
  for (int e = 0; e < count; e++) mask[e] = words[e] < threshold ? 0.0f : scale;
}

void TT_CPU(mask_draw)(const tt_mask_stream *stream, int count, const uint32_t *c1, const uint32_t *c2,
                       const uint32_t *c3, float *mask) {
  uint32_t words[TT_MASK_BLOCKS * 4] __attribute__((aligned(64)));
  draw_words(stream->key, stream->c0, count, c1, c2, c3, words);
  factors(count * TT_MASK_WORDS, (const half_word *)words, stream->threshold, stream->scale, mask);
}

void TT_CPU(mask_head)(const tt_mask_stream *stream, int head, int length, float *mask) {
  uint32_t c1[TT_MASK_BLOCKS], c2[TT_MASK_BLOCKS], c3[TT_MASK_BLOCKS];
  float tile[TT_MASK_BLOCKS * TT_MASK_WORDS] __attribute__((aligned(64)));
  int blocks = (length + TT_MASK_WORDS - 1) / TT_MASK_WORDS,
      rows = TT_MASK_BLOCKS / blocks; // whole rows a tile
  for (int b = 0; b < TT_MASK_BLOCKS; b++)
    c1[b] = stream->first_head + (uint32_t)head, c3[b] = (uint32_t)(b % blocks);
  for (int i = 0; i < length; i += rows) {
    int taken = length - i < rows ? length - i : rows;
    for (int b = 0; b < taken * blocks; b++) c2[b] = (uint32_t)(i + b / blocks);
    TT_CPU(mask_draw)(stream, taken * blocks, c1, c2, c3, tile);
    for (int r = 0; r < taken; r++, mask += length)
      memcpy(mask, tile + (int64_t)r * blocks * TT_MASK_WORDS, (size_t)length * sizeof *mask);
  }
}

// The factors of `count` columns from `first` on, all with the counters c1 and c2.
static void draw_line(const tt_mask_stream *stream, uint32_t c1, uint32_t c2, int first, int count,
                      float *mask) {
  uint32_t i[TT_MASK_BLOCKS], j[TT_MASK_BLOCKS], block[TT_MASK_BLOCKS];
  int blocks = (count + TT_MASK_WORDS - 1) / TT_MASK_WORDS;
  for (int done = 0; done < blocks; done += TT_MASK_BLOCKS) {
    int taken = blocks - done < TT_MASK_BLOCKS ? blocks - done : TT_MASK_BLOCKS, whole = (taken + 7) / 8 * 8;
    for (int b = 0; b < whole; b++)
      i[b] = c1, j[b] = c2, block[b] = stream->first_block + (uint32_t)(first / TT_MASK_WORDS + done + b);
    TT_CPU(mask_draw)(stream, taken, i, j, block, mask + done * TT_MASK_WORDS);
  }
}

tt_mask_rows TT_CPU(mask_rows)(const tt_drop *drop, tt_dropout dropout, int columns, float *factors) {
  assert(dropout.probability == 0 || dropout.first % TT_MASK_WORDS == 0);
  if (dropout.probability == 0)
    for (int c = 0; c < columns; c++) factors[c] = 1.0f;
  return (tt_mask_rows){
      .drop = drop, .dropout = dropout, .columns = columns, .molecule = -1, .factors = factors};
}

// Goes on to the molecule that has this row.
static void find(tt_mask_rows *m, int64_t row) {
  const tt_batch *b = m->drop->batch;
  const int64_t *offset = m->drop->rows == TT_ROWS_TOKENS ? b->token_offset : b->pair_offset;
  if (row < m->end) return;
  do m->molecule++;
  while (offset[m->molecule + 1] <= row);
  m->first = offset[m->molecule], m->end = offset[m->molecule + 1];
  m->stream = TT_CPU(mask_stream_of)(&m->dropout, b->sample[m->molecule]);
  if (m->drop->rows != TT_ROWS_PAIRS_SHARED) return;
  float *to = m->factors;
  for (int j = 0; j < b->length[m->molecule]; j++, to += tt_mask_rows_size(TT_ROWS_PAIRS, m->columns, 0))
    draw_line(&m->stream, 0, (uint32_t)j, 0, m->columns, to);
}

const float *TT_CPU(mask_slice)(tt_mask_rows *m, int64_t row, int first, int count) {
  if (m->dropout.probability == 0) return m->factors;
  find(m, row);
  uint32_t at = (uint32_t)(row - m->first), length = (uint32_t)m->drop->batch->length[m->molecule];
  bool pairs = m->drop->rows == TT_ROWS_PAIRS;
  draw_line(&m->stream, pairs ? at / length : at, pairs ? at % length : 0, first, count, m->factors);
  return m->factors;
}

const float *TT_CPU(mask_row)(tt_mask_rows *m, int64_t row) {
  if (m->dropout.probability == 0 || m->drop->rows != TT_ROWS_PAIRS_SHARED)
    return TT_CPU(mask_slice)(m, row, 0, m->columns);
  find(m, row);
  int64_t j = (row - m->first) % m->drop->batch->length[m->molecule];
  return m->factors + j * (int64_t)tt_mask_rows_size(TT_ROWS_PAIRS, m->columns, 0);
}

void TT_CPU(mask_multiply)(int64_t count, const float *a, const float *b, float *out) {
  TT_INDEPENDENT
  for (int64_t e = 0; e < count; e++) out[e] = a[e] * b[e];
}
