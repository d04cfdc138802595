#include "gather.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "comm/group.h"

// Rows of molecules first .. end - 1.
static int64_t rows_between(const tt_batch *b, tt_probe_rows rows, int first, int end) {
  int64_t count = 0;
  switch (rows) {
  case TT_PROBE_TOKENS:
    return b->token_offset[end] - b->token_offset[first];
  case TT_PROBE_PAIRS:
    return b->pair_offset[end] - b->pair_offset[first];
  case TT_PROBE_ATOM_PAIRS:
    return b->atom_pair_offset[end] - b->atom_pair_offset[first];
  case TT_PROBE_MASKED:
    for (int64_t k = 0; k < b->masked; k++) {
      int molecule = b->token_molecule[b->masked_row[k]];
      count += molecule >= first && molecule < end;
    }
    return count;
  case TT_PROBE_PROBABILITIES: // each rank has heads of all molecules
    return b->pairs;
  }
  return 0;
}

// (rank, molecule, own head, ij) -> (molecule, head, ij)
static void sort_heads(const tt_batch *b, int ranks, int heads, const float *from, float *to) {
  for (int r = 0; r < ranks; r++) {
    int64_t first = tt_group_share(heads, ranks, r), own = tt_group_share(heads, ranks, r + 1) - first;
    for (int m = 0; m < b->molecules; m++) {
      int64_t pairs = (int64_t)b->length[m] * b->length[m];
      memcpy(to + b->pair_offset[m] * heads + first * pairs, from, (size_t)(own * pairs) * sizeof *to);
      from += own * pairs;
    }
  }
}

float *gather_probe(const tt_comm *group, const padded_batch *b, tt_probe_rows rows, int *dim,
                    const float *data) {
  const tt_batch *batch = &b->batch;
  int64_t *counts = calloc((size_t)group->size, sizeof *counts), all = 0;
  int own = *dim;
  if (!counts) exit(2);
  bool heads = rows == TT_PROBE_PROBABILITIES;
  if (heads && group->size > 1) MPI_Allreduce(&own, dim, 1, MPI_INT, MPI_SUM, group->mpi);
  for (int r = 0, first = 0; r < group->size; first += b->share[r++]) {
    int64_t share = tt_group_share(*dim, group->size, r + 1) - tt_group_share(*dim, group->size, r);
    counts[r] = rows_between(batch, rows, first, first + b->share[r]) * (heads ? share : *dim);
    all += counts[r];
  }
  float *together = calloc((size_t)all + 1, sizeof *together), *sorted = together;
  if (!together || tt_comm_gather_all_v(group, data, together, counts, sizeof *data) != TT_OK) exit(2);
  if (heads) {
    sorted = calloc((size_t)all + 1, sizeof *sorted);
    if (!sorted) exit(2);
    sort_heads(batch, group->size, *dim, together, sorted);
    free(together);
  }
  free(counts);
  return sorted;
}
