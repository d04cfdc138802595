// Rows of real atom pairs inside the pair track.
#include "cpu.h"
#include "vector.h"

#include <string.h>

static void add(int64_t count, const float *from, float *to) {
  for (int64_t c = 0; c < count; c++) to[c] += from[c];
}

void TT_CPU(atom_pairs_add)(const tt_batch *batch, int dim, const float *a, float *pair) {
  for (int m = 0; m < batch->molecules; m++) {
    int64_t length = batch->length[m], run = (length - 1) * dim;
    float *to = pair + batch->pair_offset[m] * dim;
    for (int64_t i = 1; i < length; i++, a += run) add(run, a, to + (i * length + 1) * dim);
  }
}

void TT_CPU(atom_pairs_get)(const tt_batch *batch, int dim, const float *pair, float *a) {
  for (int m = 0; m < batch->molecules; m++) {
    int64_t length = batch->length[m], run = (length - 1) * dim;
    const float *from = pair + batch->pair_offset[m] * dim;
    for (int64_t i = 1; i < length; i++, a += run)
      memcpy(a, from + (i * length + 1) * dim, (size_t)run * sizeof *a);
  }
}
