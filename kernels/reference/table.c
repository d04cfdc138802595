// The reference backend's table, the room that its operations need, and the dropout that several share.
#include "reference.h"

#include "core/philox.h"
#include "device/host_memory.h"

#include <math.h>
#include <pthread.h>
#include <stddef.h>

static tt_ops ops = {.name = "reference", .deterministic = true, TT_HOST_MEMORY};

static double larger(double a, double b) {
  return a > b ? a : b;
}

// Doubles, in floats: sums of the largest matrix or pair of matrices, a dozen rows, and what the triangle and
// the outer product keep of a molecule.
static size_t scratch(const tt_sizes *s) {
  double width =
      larger(larger(s->embed_dim, s->ffn_dim), larger(s->pair_dim, larger(s->heads, TT_GAUSSIANS)));
  width = larger(width, 4.0 * s->pair_hidden);
  double matrices = larger(3 * width * width, (double)s->pair_dim * s->pair_hidden * s->pair_hidden);
  double molecule = (double)s->length * larger(4.0 * s->length, 2.0 * s->pair_hidden);
  return (size_t)(2 * (matrices + molecule + 16 * width) + 16);
}

static void fill(void) {
  ops.scratch = scratch;
  tt_reference_dense(&ops);
  tt_reference_layer_norm(&ops);
  tt_reference_fused(&ops);
  tt_reference_embedding(&ops);
  tt_reference_gaussian(&ops);
  tt_reference_attention(&ops);
  tt_reference_movement(&ops);
  tt_reference_outer_product(&ops);
  tt_reference_triangle(&ops);
  tt_reference_losses(&ops);
  tt_reference_flat(&ops);
}

const tt_ops *tt_ops_reference(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, fill);
  return &ops;
}

tt_reference_room tt_reference_scratch(float *floats) {
  uintptr_t at = ((uintptr_t)floats + sizeof(double) - 1) / sizeof(double) * sizeof(double);
  return (tt_reference_room){(double *)at};
}

double *tt_reference_take(tt_reference_room *room, int64_t count) {
  double *taken = room->next;
  room->next += count;
  return taken;
}

double *tt_reference_zeros(tt_reference_room *room, int64_t count) {
  double *taken = tt_reference_take(room, count);
  for (int64_t i = 0; i < count; i++) taken[i] = 0;
  return taken;
}

void tt_reference_add(const double *sums, int64_t count, float *to) {
  for (int64_t i = 0; to != NULL && i < count; i++) to[i] = (float)(to[i] + sums[i]);
}

static double keep(const tt_dropout *d, uint64_t sample, uint32_t c1, uint32_t c2, int e) {
  uint32_t threshold = (uint32_t)lround(d->probability * 65536);
  if (threshold == 0) return 1;
  tt_philox4 block =
      tt_philox(tt_stream(d->seed, d->step, sample), d->layer * 16 + d->site, c1, c2, (uint32_t)(e / 8));
  uint32_t word = block.v[e % 8 / 2] >> 16 * (e % 2) & 0xFFFF;
  return word < threshold ? 0 : 65536.0 / (65536.0 - threshold);
}

double tt_reference_keep(const tt_drop *drop, int64_t row, int e) {
  const tt_batch *b = drop->batch;
  int m = 0;
  e += (int)drop->dropout.first;
  if (drop->dropout.probability == 0) return 1;
  if (drop->rows == TT_ROWS_TOKENS) {
    m = b->token_molecule[row];
    return keep(&drop->dropout, b->sample[m], (uint32_t)(row - b->token_offset[m]), 0, e);
  }
  while (row >= b->pair_offset[m + 1]) m++;
  int64_t i = (row - b->pair_offset[m]) / b->length[m], j = (row - b->pair_offset[m]) % b->length[m];
  return keep(&drop->dropout, b->sample[m], drop->rows == TT_ROWS_PAIRS ? (uint32_t)i : 0, (uint32_t)j, e);
}

double tt_reference_keep_head(const tt_dropout *d, uint64_t sample, int head, int i, int j) {
  return keep(d, sample, d->first + (uint32_t)head, (uint32_t)i, j);
}
