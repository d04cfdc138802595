// The end of a branch whose product another step has made: bias, dropout and residual in one pass. Channels
// outermost, so that a block's factors and sums stay in the first-level cache.
#include "cpu.h"
#include "mask.h"
#include "vector.h"

enum { CHANNELS = 512, ROWS = 64 }; // a block of channels; rows whose gradients are added up by themselves

static int block_width(int dim, int first) {
  return dim - first < CHANNELS ? dim - first : CHANNELS;
}

void TT_CPU(bias_residual)(const tt_drop *drop, const float *y, int64_t rows, int dim, const float *bias,
                           const float *residual, float *out) {
  float factors[CHANNELS] __attribute__((aligned(64)));
  for (int first = 0; first < dim; first += CHANNELS) {
    int count = block_width(dim, first);
    tt_mask_rows mask = TT_CPU(mask_rows)(drop, drop->dropout, count, factors);
    for (int64_t r = 0; r < rows; r++) {
      const float *factor = TT_CPU(mask_slice)(&mask, r, first, count), *shift = bias + first;
      const float *branch = y + r * dim + first;
      float *to = out + r * dim + first;
      if (residual != NULL) {
        const float *from = residual + r * dim + first;
        TT_INDEPENDENT
        for (int c = 0; c < count; c++) to[c] = from[c] + factor[c] * (branch[c] + shift[c]);
      } else {
        TT_INDEPENDENT
        for (int c = 0; c < count; c++) to[c] = factor[c] * (branch[c] + shift[c]);
      }
    }
  }
}

void TT_CPU(bias_residual_backward)(const tt_drop *drop, const float *dout, int64_t rows, int dim, float *dy,
                                    float *dbias) {
  float factors[CHANNELS] __attribute__((aligned(64)));
  for (int first = 0; first < dim; first += CHANNELS) {
    int count = block_width(dim, first);
    tt_mask_rows mask = TT_CPU(mask_rows)(drop, drop->dropout, count, factors);
    for (int64_t start = 0; start < rows; start += ROWS) {
      int64_t end = start + ROWS < rows ? start + ROWS : rows;
      float sum[CHANNELS] = {0};
      for (int64_t r = start; r < end; r++) {
        const float *factor = TT_CPU(mask_slice)(&mask, r, first, count), *from = dout + r * dim + first;
        float *to = dy + r * dim + first;
        TT_INDEPENDENT
        for (int c = 0; c < count; c++) sum[c] += to[c] = factor[c] * from[c];
      }
      for (int c = 0; c < count; c++) dbias[first + c] += sum[c];
    }
  }
}
