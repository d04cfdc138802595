// Dropout of rows, and the gated, dropped-out output of the triangle.
#include "cpu.h"
#include "mask.h"
#include "vector.h"

#include <string.h>

// What a mask is applied to, element by element.
typedef struct {
  enum { COPY, ADD, GATE_ADD, GATE_BACKWARD } kind;
  const float *a, *b, *c;
  float *out, *out2;
} task;

// A null mask stands for all ones.
static TT_INLINE void apply_elements(const task *t, int64_t at, int64_t count, const float *mask) {
  const float *a = t->a + at;
  float *out = t->out + at;
  switch (t->kind) {
  case COPY:
    TT_INDEPENDENT
    for (int64_t e = 0; e < count; e++) out[e] = mask[e] * a[e];
    break;
  case ADD:
    TT_INDEPENDENT
    for (int64_t e = 0; e < count; e++) out[e] += mask[e] * a[e];
    break;
  case GATE_ADD: {
    const float *b = t->b + at;
    TT_INDEPENDENT
    for (int64_t e = 0; e < count; e++) out[e] += mask[e] * (a[e] * b[e]);
    break;
  }
  case GATE_BACKWARD: {
    const float *b = t->b + at, *c = t->c + at;
    float *out2 = t->out2 + at;
    TT_INDEPENDENT
    for (int64_t e = 0; e < count; e++) { // outputs may be the inputs: read both first
      float d = mask[e] * a[e], gate = b[e], u = c[e];
      out[e] = d * u;
      out2[e] = d * gate;
    }
    break;
  }
  }
}

static void apply(const task *t, int64_t at, int64_t count, const float *mask) {
  apply_elements(t, at, count, mask);
}

// The mask 1 everywhere (probability 0).
static void run_plain(const task *t, int64_t count) {
  float ones[1024];
  for (int e = 0; e < 1024; e++) ones[e] = 1.0f;
  for (int64_t at = 0; at < count; at += 1024) apply(t, at, count - at < 1024 ? count - at : 1024, ones);
}

static void run(const tt_batch *batch, tt_rows rows, const tt_dropout *d, int dim, const task *t) {
  if (d->probability == 0) {
    run_plain(t, (rows == TT_ROWS_TOKENS ? batch->tokens : batch->pairs) * dim);
    return;
  }
  uint32_t c1[TT_MASK_BLOCKS], c2[TT_MASK_BLOCKS], c3[TT_MASK_BLOCKS];
  float mask[TT_MASK_BLOCKS * TT_MASK_WORDS] __attribute__((aligned(64)));
  memset(c1, 0, sizeof c1);
  memset(c2, 0, sizeof c2);
  int blocks = (dim + TT_MASK_WORDS - 1) / TT_MASK_WORDS; // a row
  for (int m = 0; m < batch->molecules; m++) {
    tt_mask_stream stream = TT_CPU(mask_stream_of)(d, batch->sample[m]);
    int64_t length = batch->length[m], drawn = rows == TT_ROWS_PAIRS ? length * length : length;
    int copies = rows == TT_ROWS_PAIRS_SHARED ? (int)length : 1; // a shared mask serves every first index
    int64_t base = (rows == TT_ROWS_TOKENS ? batch->token_offset[m] : batch->pair_offset[m]) * dim;
    for (int64_t row = 0, block = 0; row < drawn;) {
      // fill the tile, up to its size, from (row, block) on
      int64_t first_row = row, first_block = block;
      int count = 0;
      while (count < TT_MASK_BLOCKS && row < drawn) {
        uint32_t i = rows == TT_ROWS_TOKENS  ? (uint32_t)row
                     : rows == TT_ROWS_PAIRS ? (uint32_t)(row / length)
                                             : 0;
        uint32_t j = rows == TT_ROWS_TOKENS ? 0 : (uint32_t)(row % length);
        int end = (int)(blocks - block < TT_MASK_BLOCKS - count ? blocks - block : TT_MASK_BLOCKS - count);
        for (int b = 0; b < end; b++)
          c1[count + b] = i, c2[count + b] = j, c3[count + b] = (uint32_t)(block + b);
        count += end, block += end;
        if (block == blocks) block = 0, row++;
      }
      TT_CPU(mask_draw)(&stream, count, c1, c2, c3, mask);
      for (int copy = 0; copy < copies; copy++) {
        int64_t origin = base + copy * length * dim;
        if (dim % TT_MASK_WORDS == 0) { // blocks lie end to end
          apply(t, origin + first_row * dim + first_block * TT_MASK_WORDS, (int64_t)count * TT_MASK_WORDS,
                mask);
          continue;
        }
        int64_t r = first_row, from = first_block;
        for (int b = 0; b < count; r++, from = 0) {
          int64_t taken = blocks - from < count - b ? blocks - from : count - b;
          int64_t end = (from + taken) * TT_MASK_WORDS < dim ? (from + taken) * TT_MASK_WORDS : dim;
          apply(t, origin + r * dim + from * TT_MASK_WORDS, end - from * TT_MASK_WORDS,
                mask + b * TT_MASK_WORDS);
          b += (int)taken;
        }
      }
    }
  }
}

void TT_CPU(dropout)(const tt_batch *batch, tt_rows rows, const tt_dropout *d, int dim, const float *in,
                     float *out, bool accumulate) {
  run(batch, rows, d, dim, &(task){.kind = accumulate ? ADD : COPY, .a = in, .out = out});
}

void TT_CPU(gate_add)(const tt_batch *batch, const tt_dropout *d, int dim, const float *gate, const float *u,
                      float *pair) {
  run(batch, TT_ROWS_PAIRS_SHARED, d, dim, &(task){.kind = GATE_ADD, .a = gate, .b = u, .out = pair});
}

void TT_CPU(gate_backward)(const tt_batch *batch, const tt_dropout *d, int dim, const float *dpair,
                           const float *gate, const float *u, float *dgate, float *du) {
  run(batch, TT_ROWS_PAIRS_SHARED, d, dim,
      &(task){.kind = GATE_BACKWARD, .a = dpair, .b = gate, .c = u, .out = dgate, .out2 = du});
}
