// Dropout as src/device/ops.h defines it, drawn in kernels: eight factors (0, or 1 / what is kept) from one
// Philox block. Nothing is stored: a backward draws again.
//
//   tt_device_drop d = tt_device_drop_of(drop);                     // host; passed to the kernel by value
//   tt_drop_row r = tt_drop_row_of(d, packed_row);                  // once a row
//   float factor[8]; tt_drop_eight(d, r, block, factor);            // channels 8 * block ...
#ifndef TT_KERNELS_CUDA_DROPOUT_H
#define TT_KERNELS_CUDA_DROPOUT_H

#include "cuda.h"

#include "core/philox.h"

struct tt_device_drop {
  bool on; // false: probability 0, all factors are 1 and nothing below is read
  tt_rows rows;
  uint32_t threshold, c0, first;
  float scale;
  uint64_t seed, step;
  int molecules;
  const int64_t *token_offset, *pair_offset;
  const int32_t *length, *token_molecule;
  const uint64_t *sample;
};

static inline tt_device_drop tt_device_drop_of(const tt_batch *batch, tt_rows rows, const tt_dropout *d) {
  tt_device_drop drop = {};
  drop.on = d->probability != 0;
  if (!drop.on) return drop;
  drop.rows = rows;
  drop.threshold = static_cast<uint32_t>(lround(d->probability * 65536.0));
  drop.c0 = d->layer * 16 + d->site, drop.first = d->first;
  drop.scale = static_cast<float>(65536.0 / (65536.0 - drop.threshold));
  drop.seed = d->seed, drop.step = d->step;
  drop.molecules = batch->molecules;
  drop.token_offset = batch->token_offset, drop.pair_offset = batch->pair_offset;
  drop.length = batch->length, drop.token_molecule = batch->token_molecule;
  drop.sample = batch->sample;
  return drop;
}
static inline tt_device_drop tt_device_drop_of(const tt_drop *d) {
  return tt_device_drop_of(d->batch, d->rows, &d->dropout);
}

// What names a row's words.
struct tt_drop_row {
  uint64_t key;
  uint32_t c1, c2;
};

// For those who know the molecule and its (i, j) already: token rows have j = 0, pairs that share masks i =
// 0.
TT_DEVICE tt_drop_row tt_drop_row_at(const tt_device_drop &d, int molecule, int i, int j) {
  tt_drop_row r = {0, 0, 0};
  if (d.on)
    r.key = tt_stream(d.seed, d.step, d.sample[molecule]), r.c1 = static_cast<uint32_t>(i),
    r.c2 = static_cast<uint32_t>(j);
  return r;
}

TT_DEVICE tt_drop_row tt_drop_row_of(const tt_device_drop &d, int64_t row) {
  if (!d.on) return tt_drop_row_at(d, 0, 0, 0);
  if (d.rows == TT_ROWS_TOKENS) {
    int m = d.token_molecule[row];
    return tt_drop_row_at(d, m, static_cast<int>(row - d.token_offset[m]), 0);
  }
  int m = tt_find_molecule(d.pair_offset, d.molecules, row), length = d.length[m];
  int at = static_cast<int>(row - d.pair_offset[m]), i = at / length, j = at - i * length;
  return tt_drop_row_at(d, m, d.rows == TT_ROWS_PAIRS ? i : 0, j);
}

TT_DEVICE void tt_drop_words(const tt_device_drop &d, uint64_t key, uint32_t c1, uint32_t c2, uint32_t c3,
                             float factor[8]) {
  tt_philox4 words = tt_philox(key, d.c0, c1, c2, c3);
#pragma unroll
  for (int e = 0; e < 8; e++) {
    uint32_t word = words.v[e / 2] >> 16 * (e % 2) & 0xffffu;
    factor[e] = word < d.threshold ? 0.0f : d.scale;
  }
}

// The factors of the call's channels 8 * block ... 8 * block + 7 in a row.
TT_DEVICE void tt_drop_eight(const tt_device_drop &d, const tt_drop_row &r, int block, float factor[8]) {
  if (d.on)
    tt_drop_words(d, r.key, r.c1, r.c2, d.first / 8 + static_cast<uint32_t>(block), factor);
  else
    for (int e = 0; e < 8; e++) factor[e] = 1.0f;
}

// The factors of attention probabilities: the call's head `head`, query i, keys 8 * block ...
TT_DEVICE void tt_drop_heads(const tt_device_drop &d, int molecule, int head, int i, int block,
                             float factor[8]) {
  if (d.on)
    tt_drop_words(d, tt_stream(d.seed, d.step, d.sample[molecule]), d.first + static_cast<uint32_t>(head),
                  static_cast<uint32_t>(i), static_cast<uint32_t>(block), factor);
  else
    for (int e = 0; e < 8; e++) factor[e] = 1.0f;
}

#endif
