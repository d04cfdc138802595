#include <stdlib.h>
#include <string.h>

#include "batch/batch.h"
#include "core/memory.h"

// Offsets and counts of the piece, before its arrays can be sized.
static tt_status measure(tt_batch *b, tt_sample *const *samples, const int32_t *order, int count) {
  size_t n = (size_t)count;
  TT_TRY(tt_reserve(&b->length, &b->capacity_[0], n, sizeof *b->length, "a batch"));
  TT_TRY(tt_reserve(&b->token_offset, &b->capacity_[1], n + 1, sizeof *b->token_offset, "a batch"));
  TT_TRY(tt_reserve(&b->pair_offset, &b->capacity_[2], n + 1, sizeof *b->pair_offset, "a batch"));
  TT_TRY(tt_reserve(&b->atom_pair_offset, &b->capacity_[3], n + 1, sizeof *b->atom_pair_offset, "a batch"));
  b->molecules = count;
  b->max_length = 0;
  b->masked = b->token_offset[0] = b->pair_offset[0] = b->atom_pair_offset[0] = 0;
  for (int m = 0; m < count; m++) {
    const tt_sample *s = samples[order[m]];
    int64_t atoms = s->atoms, length = atoms + 1;
    b->length[m] = (int32_t)length;
    if (length > b->max_length) b->max_length = (int)length;
    b->token_offset[m + 1] = b->token_offset[m] + length;
    b->pair_offset[m + 1] = b->pair_offset[m] + length * length;
    b->atom_pair_offset[m + 1] = b->atom_pair_offset[m] + atoms * atoms;
    b->masked += s->masked;
  }
  b->tokens = b->token_offset[count];
  b->pairs = b->pair_offset[count];
  b->atom_pairs = b->atom_pair_offset[count];
  if (b->tokens > INT32_MAX)
    return tt_fail(TT_ERR_ARGUMENT, "a piece of %lld token rows", (long long)b->tokens);
  return TT_OK;
}

static tt_status reserve(tt_batch *b) {
  size_t n = (size_t)b->molecules, t = (size_t)b->tokens, r = (size_t)b->pairs, masked = (size_t)b->masked;
  TT_TRY(tt_reserve(&b->scaling_length, &b->capacity_[4], n, sizeof *b->scaling_length, "a batch"));
  TT_TRY(tt_reserve(&b->sample, &b->capacity_[5], n, sizeof *b->sample, "a batch"));
  TT_TRY(tt_reserve(&b->batch_index, &b->capacity_[6], n, sizeof *b->batch_index, "a batch"));
  TT_TRY(tt_reserve(&b->token_molecule, &b->capacity_[7], t, sizeof *b->token_molecule, "a batch"));
  TT_TRY(tt_reserve(&b->token, &b->capacity_[8], t, sizeof *b->token, "a batch"));
  TT_TRY(tt_reserve(&b->atom_input, &b->capacity_[9], t, TT_ATOM_INPUTS * sizeof *b->atom_input, "a batch"));
  TT_TRY(tt_reserve(&b->degree, &b->capacity_[10], t, sizeof *b->degree, "a batch"));
  TT_TRY(tt_reserve(&b->pair_class, &b->capacity_[11], t, sizeof *b->pair_class, "a batch"));
  TT_TRY(tt_reserve(&b->path, &b->capacity_[12], r, sizeof *b->path, "a batch"));
  TT_TRY(tt_reserve(&b->edge, &b->capacity_[13], r, 3 * sizeof *b->edge, "a batch"));
  TT_TRY(tt_reserve(&b->position, &b->capacity_[14], t, 3 * sizeof *b->position, "a batch"));
  TT_TRY(tt_reserve(&b->target_position, &b->capacity_[15], t, 3 * sizeof *b->target_position, "a batch"));
  TT_TRY(tt_reserve(&b->masked_row, &b->capacity_[16], masked, sizeof *b->masked_row, "a batch"));
  TT_TRY(tt_reserve(&b->masked_target, &b->capacity_[17], masked, sizeof *b->masked_target, "a batch"));
  return TT_OK;
}

// Rows of one array in the packed order: zeros for the virtual row, then the atoms' `width` bytes each.
static void copy_rows(void *to, const void *from, int64_t first, int atoms, size_t width) {
  unsigned char *row = (unsigned char *)to + (size_t)first * width;
  memset(row, 0, width);
  memcpy(row + width, from, (size_t)atoms * width);
}

static void copy_pairs(void *to, const void *from, int64_t first, int atoms, size_t width) {
  unsigned char *row = (unsigned char *)to + (size_t)first * width;
  size_t length = (size_t)atoms + 1, bytes = (size_t)atoms * width;
  memset(row, 0, length * width);
  for (int i = 0; i < atoms; i++) {
    row += length * width;
    memset(row, 0, width);
    memcpy(row + width, (const unsigned char *)from + (size_t)i * bytes, bytes);
  }
}

static void copy_molecule(tt_batch *b, int m, const tt_sample *s) {
  int64_t row = b->token_offset[m], pair = b->pair_offset[m];
  for (int k = 0; k < b->length[m]; k++) b->token_molecule[row + k] = m;
  copy_rows(b->token, s->token, row, s->atoms, sizeof *b->token);
  copy_rows(b->atom_input, s->atom_input, row, s->atoms, TT_ATOM_INPUTS * sizeof *b->atom_input);
  copy_rows(b->degree, s->degree, row, s->atoms, sizeof *b->degree);
  copy_rows(b->pair_class, s->pair_class, row, s->atoms, sizeof *b->pair_class);
  copy_rows(b->position, s->position, row, s->atoms, 3 * sizeof *b->position);
  copy_rows(b->target_position, s->target_position, row, s->atoms, 3 * sizeof *b->target_position);
  copy_pairs(b->path, s->path, pair, s->atoms, sizeof *b->path);
  copy_pairs(b->edge, s->edge, pair, s->atoms, 3 * sizeof *b->edge);
}

tt_status tt_batch_pack(tt_batch *batch, tt_sample *const *samples, const int32_t *order, int count,
                        const uint64_t *sample_number, const int32_t *batch_index, tt_scaling_length scaling,
                        int batch_length) {
  TT_TRY(measure(batch, samples, order, count));
  TT_TRY(reserve(batch));
  int64_t masked = 0;
  for (int m = 0; m < count; m++) {
    const tt_sample *s = samples[order[m]];
    batch->scaling_length[m] = scaling == TT_SCALING_BATCH ? batch_length : tt_padded_length(s->atoms);
    batch->sample[m] = sample_number[order[m]];
    batch->batch_index[m] = batch_index[order[m]];
    copy_molecule(batch, m, s);
    int64_t end = masked + s->masked;
    for (int a = 0; a < s->atoms && masked < end; a++) {
      if (!s->target[a]) continue;
      batch->masked_row[masked] = (int32_t)(batch->token_offset[m] + 1 + a);
      batch->masked_target[masked++] = s->target[a];
    }
    if (masked != end)
      return tt_fail(TT_ERR_ARGUMENT, "record %llu says %d masked atoms but has fewer targets",
                     (unsigned long long)s->record, s->masked);
  }
  return TT_OK;
}

void tt_batch_free(tt_batch *batch) {
  void *arrays[] = {batch->length,         batch->token_offset, batch->pair_offset, batch->atom_pair_offset,
                    batch->scaling_length, batch->sample,       batch->batch_index, batch->token_molecule,
                    batch->token,          batch->atom_input,   batch->degree,      batch->pair_class,
                    batch->path,           batch->edge,         batch->position,    batch->target_position,
                    batch->masked_row,     batch->masked_target};
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) free(arrays[k]);
  *batch = (tt_batch){0};
}
