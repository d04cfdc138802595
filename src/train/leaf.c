#include "train/leaf.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

tt_status tt_leaf_init(tt_leaf *l, int ranks, size_t molecules) {
  size_t n = molecules, r = (size_t)ranks;
  *l = (tt_leaf){.ranks = ranks};
  TT_TRY(tt_alloc(&l->place, n, sizeof *l->place, "a step"));
  TT_TRY(tt_alloc(&l->order, n, sizeof *l->order, "a step"));
  TT_TRY(tt_alloc(&l->first, r + 1, sizeof *l->first, "a step"));
  TT_TRY(tt_alloc(&l->start, n + r, sizeof *l->start, "a step")); // a rank's last piece has an end, too
  TT_TRY(tt_alloc(&l->pieces_, r, sizeof *l->pieces_, "a step"));
  TT_TRY(tt_alloc(&l->together, n, sizeof *l->together, "a step"));
  TT_TRY(tt_alloc(&l->molecules, r, sizeof *l->molecules, "a step"));
  TT_TRY(tt_alloc(&l->atoms, n, sizeof *l->atoms, "a step"));
  return tt_alloc(&l->cost, n, sizeof *l->cost, "a step");
}

void tt_leaf_free(tt_leaf *l) {
  void *all[] = {l->place,    l->order,     l->first, l->start, l->pieces_,
                 l->together, l->molecules, l->atoms, l->cost};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
  *l = (tt_leaf){0};
}

// The leaf's molecules of one rank (or of all: -1) to order[from], in batch order. Returns how many.
static int collect(const tt_leaf *l, const tt_global_batch *b, int which, int rank, int32_t *to) {
  int count = 0;
  for (int i = 0; i < b->count; i++)
    if (b->leaf[i] == which && (rank < 0 || l->place[i] == rank)) to[count++] = i;
  return count;
}

tt_status tt_leaf_deal(tt_leaf *l, const tt_global_batch *b) {
  if (l->ranks == 1) return TT_OK; // all are dealt to rank 0 already
  for (int which = 0; which < b->leaves; which++) {
    int count = collect(l, b, which, -1, l->order);
    for (int k = 0; k < count; k++) {
      int64_t length = b->atoms[l->order[k]] + 1;
      l->cost[k] = length * length;
    }
    TT_TRY(tt_deal(l->cost, count, l->ranks, 1, l->together));
    for (int k = 0; k < count; k++) l->place[l->order[k]] = l->together[k];
  }
  return TT_OK;
}

// Where the piece starts of rank r begin.
static int32_t *starts(const tt_leaf *l, int r) {
  return l->start + l->first[r] + r;
}

void tt_leaf_take(tt_leaf *l, const tt_global_batch *b, int which, int64_t max_pairs) {
  l->pieces = 0;
  for (int r = 0; r < l->ranks; r++) {
    int32_t *own = l->order + l->first[r];
    int count = collect(l, b, which, l->ranks > 1 ? r : -1, own);
    for (int k = 0; k < count; k++) l->atoms[k] = b->atoms[own[k]];
    l->first[r + 1] = l->first[r] + count;
    l->pieces_[r] = tt_cut(l->atoms, count, max_pairs, starts(l, r));
    if (l->pieces_[r] > l->pieces) l->pieces = l->pieces_[r];
  }
}

int tt_leaf_piece(tt_leaf *l, int k, int rank) {
  int begin = 0;
  l->count = 0;
  for (int r = 0; r < l->ranks; r++) {
    const int32_t *start = starts(l, r);
    if (r == rank) begin = l->count;
    l->molecules[r] = k < l->pieces_[r] ? start[k + 1] - start[k] : 0;
    if (l->molecules[r])
      memcpy(l->together + l->count, l->order + l->first[r] + start[k],
             (size_t)l->molecules[r] * sizeof *l->together);
    l->count += l->molecules[r];
  }
  return begin;
}
