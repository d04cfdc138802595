// Rows of real atom pairs inside the pair track: one warp a row of the former.
#include "operations.h"

// Where row `a` of the real pairs lies among all pairs.
TT_DEVICE int64_t pair_row(const tt_batch &b, int64_t a) {
  int m = tt_find_molecule(b.atom_pair_offset, b.molecules, a);
  int length = b.length[m], atoms = length - 1, at = (int)(a - b.atom_pair_offset[m]);
  return b.pair_offset[m] + (int64_t)(at / atoms + 1) * length + at % atoms + 1;
}

TT_KERNEL(256) add_rows(tt_batch b, int dim, const float *a, float *pair) {
  int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32;
  if (row >= b.atom_pairs) return;
  const float *from = a + row * dim;
  float *to = pair + pair_row(b, row) * dim;
  for (int c = (int)threadIdx.x % 32; c < dim; c += 32) to[c] += from[c];
}

TT_KERNEL(256) get_rows(tt_batch b, int dim, const float *pair, float *a) {
  int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / 32;
  if (row >= b.atom_pairs) return;
  const float *from = pair + pair_row(b, row) * dim;
  float *to = a + row * dim;
  for (int c = (int)threadIdx.x % 32; c < dim; c += 32) to[c] = from[c];
}

static void atom_pairs_add(const tt_batch *batch, int dim, const float *a, float *pair) {
  TT_LAUNCH((add_rows), (batch->atom_pairs + 7) / 8, 256, 0, *batch, dim, a, pair);
}

static void atom_pairs_get(const tt_batch *batch, int dim, const float *pair, float *a) {
  TT_LAUNCH((get_rows), (batch->atom_pairs + 7) / 8, 256, 0, *batch, dim, pair, a);
}

template <class T> void tt_cuda_fill_atom_pairs(tt_cuda_table *table) {
  table->ops.atom_pairs_add = atom_pairs_add;
  table->ops.atom_pairs_get = atom_pairs_get;
}
TT_FILL(atom_pairs)
