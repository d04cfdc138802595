// Dropout masks, drawn a tile at a time: the words that src/device/ops.h names, as factors 0 or 1 / keep.
#ifndef TT_KERNELS_CPU_MASK_H
#define TT_KERNELS_CPU_MASK_H

#include "device/ops.h"
#include "isa.h"

enum { TT_MASK_BLOCKS = 128, TT_MASK_WORDS = 8 }; // blocks a tile, elements a block

// A molecule's stream for one dropout.
typedef struct {
  uint64_t key;
  uint32_t c0, threshold;
  uint32_t first_head, first_block; // global numbers of the call's first head, of its first channels' block
  float scale;
} tt_mask_stream;

tt_mask_stream TT_CPU(mask_stream_of)(const tt_dropout *d, uint64_t sample);

// mask (count, 8): the factors of blocks with counters (c0, c1[b], c2[b], c3[b]), b < count <=
// TT_MASK_BLOCKS. The arrays hold TT_MASK_BLOCKS elements.
void TT_CPU(mask_draw)(const tt_mask_stream *stream, int count, const uint32_t *c1, const uint32_t *c2,
                       const uint32_t *c3, float *mask);

// mask (length, length): the factors of the call's head `head` for attention probabilities (i, j).
void TT_CPU(mask_head)(const tt_mask_stream *stream, int head, int length, float *mask);

// The factors of rows, one row after the other.
typedef struct {
  const tt_drop *drop;
  tt_dropout dropout;
  int columns, molecule;
  int64_t first, end; // packed rows of the molecule
  tt_mask_stream stream;
  float *factors; // (columns), or (length, columns) where rows share masks; each row padded to TT_MASK_WORDS
} tt_mask_rows;

// Floats of `factors`: `length` is the longest L.
static inline size_t tt_mask_rows_size(tt_rows rows, int columns, int length) {
  size_t row = (size_t)(columns + TT_MASK_WORDS - 1) / TT_MASK_WORDS * TT_MASK_WORDS;
  return rows == TT_ROWS_PAIRS_SHARED ? row * (size_t)length : row;
}
// Draws `dropout` (drop->dropout or another one) for the rows of `drop`. Probability 0: all factors are 1.
tt_mask_rows TT_CPU(mask_rows)(const tt_drop *drop, tt_dropout dropout, int columns, float *factors);
// Factors of packed row `row`; rows must not go back to an earlier molecule. Valid until the next call.
const float *TT_CPU(mask_row)(tt_mask_rows *m, int64_t row);
// The same for columns first.. (a multiple of TT_MASK_WORDS) of a row, where masks are not shared.
const float *TT_CPU(mask_slice)(tt_mask_rows *m, int64_t row, int first, int count);

// out = a * b, element by element; out may be either.
void TT_CPU(mask_multiply)(int64_t count, const float *a, const float *b, float *out);

#endif
