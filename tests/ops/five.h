// A batch of five molecules, of sizes and sample numbers alone, and arrays, for tests of operations.
#ifndef TT_TESTS_OPS_FIVE_H
#define TT_TESTS_OPS_FIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "device/ops.h"

static const int32_t as_given[5] = {0, 1, 2, 3, 4};

// Molecules of these sizes and nothing else, in this order. Sample numbers stay with the molecules.
static inline void pack(tt_batch *batch, const int32_t *order) {
  enum { MOST = 13 };
  static const int atoms[5] = {1, 2, 7, MOST, 5};
  static uint16_t zeros[MOST * MOST * 8];
  static float origin[MOST * 3];
  tt_sample samples[5], *pointers[5];
  uint64_t number[5];
  int32_t index[5];
  for (int m = 0; m < 5; m++) {
    samples[m] = (tt_sample){.atoms = atoms[m],
                             .token = (uint8_t *)zeros,
                             .target = (uint8_t *)zeros,
                             .pair_class = (uint8_t *)zeros,
                             .edge = (uint8_t *)zeros,
                             .atom_input = zeros,
                             .degree = zeros,
                             .path = zeros,
                             .position = origin,
                             .target_position = origin};
    pointers[m] = &samples[m], number[m] = 1000 + (uint64_t)m, index[m] = m;
  }
  memset(batch, 0, sizeof *batch);
  assert_int_equal(tt_batch_pack(batch, pointers, order, 5, number, index, TT_SCALING_MOLECULE, 0), TT_OK);
}

// `count` floats, all `fill`; free() releases them.
static inline float *array(int64_t count, float fill) {
  float *a = malloc((size_t)count * sizeof *a);
  assert_non_null(a);
  for (int64_t i = 0; i < count; i++) a[i] = fill;
  return a;
}

static inline float *scratch_for(const tt_ops *ops, const tt_sizes *sizes) {
  float *scratch = aligned_alloc(64, (ops->scratch(sizes) * sizeof(float) + 63) / 64 * 64);
  assert_non_null(scratch);
  return scratch;
}

#endif
