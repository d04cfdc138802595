// Packed batches against the padded arrays that upstream would build.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "batch/batch.h"
#include "random_molecule.h"

enum { COUNT = 7, PAD = RANDOM_MAX_ATOMS + 1 };

// One molecule in padded form: everything 0 except at [1..atoms].
typedef struct {
  int length;
  uint8_t token[PAD], target[PAD], pair_class[PAD], edge[PAD][PAD][3];
  uint16_t atom_input[PAD][TT_ATOM_INPUTS], degree[PAD], path[PAD][PAD];
  float position[PAD][3], target_position[PAD][3];
} padded;

static void pad(padded *p, const tt_sample *s) {
  memset(p, 0, sizeof *p);
  p->length = s->atoms + 1;
  for (int i = 0; i < s->atoms; i++) {
    p->token[i + 1] = s->token[i], p->target[i + 1] = s->target[i], p->pair_class[i + 1] = s->pair_class[i];
    p->degree[i + 1] = s->degree[i];
    for (int k = 0; k < TT_ATOM_INPUTS; k++) p->atom_input[i + 1][k] = s->atom_input[TT_ATOM_INPUTS * i + k];
    for (int c = 0; c < 3; c++)
      p->position[i + 1][c] = s->position[3 * i + c],
                      p->target_position[i + 1][c] = s->target_position[3 * i + c];
    for (int j = 0; j < s->atoms; j++) {
      p->path[i + 1][j + 1] = s->path[i * s->atoms + j];
      for (int k = 0; k < 3; k++) p->edge[i + 1][j + 1][k] = s->edge[3 * (i * s->atoms + j) + k];
    }
  }
}

// Walks the packed arrays in order; every offset and row number is recounted here.
static void check(const tt_batch *b, tt_sample *const *samples, const int32_t *order, int count,
                  int batch_length) {
  padded *p = malloc(sizeof *p);
  int64_t row = 0, pair = 0, atom_pair = 0, masked = 0;
  int longest = 0;
  assert_int_equal(b->molecules, count);
  for (int m = 0; m < count; m++) {
    const tt_sample *s = samples[order[m]];
    pad(p, s);
    assert_int_equal(b->length[m], p->length);
    assert_int_equal(b->token_offset[m], row);
    assert_int_equal(b->pair_offset[m], pair);
    assert_int_equal(b->atom_pair_offset[m], atom_pair);
    assert_int_equal(b->scaling_length[m], batch_length ? batch_length : (p->length + 3) / 4 * 4);
    assert_int_equal(b->sample[m], 1000 + order[m]);
    assert_int_equal(b->batch_index[m], 70 - order[m]);
    if (p->length > longest) longest = p->length;
    for (int i = 0; i < p->length; i++, row++) {
      assert_int_equal(b->token_molecule[row], m);
      assert_int_equal(b->token[row], p->token[i]);
      assert_int_equal(b->degree[row], p->degree[i]);
      assert_int_equal(b->pair_class[row], p->pair_class[i]);
      assert_memory_equal(b->atom_input + row * TT_ATOM_INPUTS, p->atom_input[i], sizeof p->atom_input[i]);
      assert_memory_equal(b->position + row * 3, p->position[i], sizeof p->position[i]);
      assert_memory_equal(b->target_position + row * 3, p->target_position[i], sizeof p->target_position[i]);
      if (p->target[i]) {
        assert_int_equal(b->masked_row[masked], row);
        assert_int_equal(b->masked_target[masked++], p->target[i]);
      }
      for (int j = 0; j < p->length; j++, pair++) {
        assert_int_equal(b->path[pair], p->path[i][j]);
        assert_memory_equal(b->edge + 3 * pair, p->edge[i][j], 3);
      }
    }
    atom_pair += (int64_t)s->atoms * s->atoms;
  }
  assert_int_equal(b->tokens, row);
  assert_int_equal(b->pairs, pair);
  assert_int_equal(b->atom_pairs, atom_pair);
  assert_int_equal(b->masked, masked);
  assert_int_equal(b->max_length, longest);
  if (count) {
    assert_int_equal(b->token_offset[count], row);
    assert_int_equal(b->pair_offset[count], pair);
    assert_int_equal(b->atom_pair_offset[count], atom_pair);
  }
  free(p);
}

static void packed_equals_padded(void **state) {
  (void)state;
  static random_molecule molecule;
  const uint32_t atoms[COUNT] = {12, 1, 30, 3, 4, 64, 17};
  tt_data_config data = random_data_config();
  data.mask_probability = 0.4;
  tt_sample sample[COUNT] = {0}, *samples[COUNT];
  uint64_t number[COUNT];
  int32_t index[COUNT];
  for (int k = 0; k < COUNT; k++) {
    random_molecule_make(&molecule, atoms[k], (uint64_t)k);
    assert_int_equal(tt_sample_make(&sample[k], &molecule.molecule, &data, 1, 0, (uint64_t)k), TT_OK);
    samples[k] = &sample[k], number[k] = 1000 + (uint64_t)k, index[k] = 70 - k;
  }
  tt_batch batch = {0}; // reused: larger, then smaller, then larger again; nothing of a former piece may show
  const int32_t all[COUNT] = {5, 2, 6, 0, 4, 3, 1}, few[] = {3, 1, 0}, back[COUNT] = {1, 3, 4, 0, 6, 2, 5};
  assert_int_equal(tt_batch_pack(&batch, samples, few, 1, number, index, TT_SCALING_MOLECULE, 0), TT_OK);
  check(&batch, samples, few, 1, 0);
  assert_int_equal(tt_batch_pack(&batch, samples, all, COUNT, number, index, TT_SCALING_MOLECULE, 0), TT_OK);
  check(&batch, samples, all, COUNT, 0);
  assert_int_equal(tt_batch_pack(&batch, samples, few, 3, number, index, TT_SCALING_BATCH, 68), TT_OK);
  check(&batch, samples, few, 3, 68);
  assert_int_equal(tt_batch_pack(&batch, samples, back, COUNT, number, index, TT_SCALING_MOLECULE, 0), TT_OK);
  check(&batch, samples, back, COUNT, 0);
  assert_int_equal(tt_batch_pack(&batch, samples, back, 0, number, index, TT_SCALING_MOLECULE, 0), TT_OK);
  check(&batch, samples, back, 0, 0);
  tt_batch_free(&batch);
  for (int k = 0; k < COUNT; k++) tt_sample_free(&sample[k]);
}

static void padded_length_is_a_multiple_of_four(void **state) {
  (void)state;
  assert_int_equal(tt_padded_length(1), 4);
  assert_int_equal(tt_padded_length(3), 4);
  assert_int_equal(tt_padded_length(4), 8);
  assert_int_equal(tt_padded_length(19), 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(packed_equals_padded),
      cmocka_unit_test(padded_length_is_a_multiple_of_four),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
