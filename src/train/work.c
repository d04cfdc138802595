#include "train/work.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

void tt_work_free(tt_work *w) {
  void *all[] = {w->index, w->token,  w->position, w->distance, w->own,
                 w->all,   w->counts, w->sorted,   w->still};
  tt_leaf_free(&w->leaf);
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
  *w = (tt_work){0};
}

// As many molecules and atoms as the largest batches so far had, and a margin: batches differ in atoms only.
static tt_status make(tt_work *w, const tt_mesh *mesh, size_t molecules, size_t atoms) {
  if (molecules < w->molecules_) molecules = w->molecules_;
  if (atoms < w->atoms_) atoms = w->atoms_;
  size_t n = molecules, a = atoms + atoms / 4;
  tt_work_free(w);
  TT_TRY(tt_leaf_init(&w->leaf, mesh->tensor.size, n));
  TT_TRY(tt_alloc(&w->index, n, sizeof *w->index, "a step"));
  TT_TRY(tt_alloc(&w->token, a, sizeof *w->token, "a step"));
  TT_TRY(tt_alloc(&w->position, n, sizeof *w->position, "a step"));
  TT_TRY(tt_alloc(&w->distance, n, sizeof *w->distance, "a step"));
  TT_TRY(tt_alloc(&w->own, n, sizeof *w->own, "a step"));
  TT_TRY(tt_alloc(&w->all, n, sizeof *w->all, "a step"));
  TT_TRY(tt_alloc(&w->sorted, n, sizeof *w->sorted, "a step"));
  TT_TRY(tt_alloc(&w->counts, (size_t)mesh->world.size, sizeof *w->counts, "a step"));
  TT_TRY(tt_alloc(&w->still, (n + a) * 3, sizeof *w->still, "a step"));
  for (size_t i = 0; i < n; i++) w->index[i] = (int32_t)i;
  w->molecules_ = n, w->atoms_ = a;
  return TT_OK;
}

tt_status tt_work_begin(tt_work *w, const tt_mesh *mesh, const tt_global_batch *b) {
  if ((size_t)b->count > w->molecules_ || (size_t)b->total_atoms > w->atoms_)
    TT_TRY(make(w, mesh, (size_t)b->count, (size_t)b->total_atoms));
  TT_TRY(tt_leaf_deal(&w->leaf, b));
  memset(w->counts, 0, (size_t)mesh->world.size * sizeof *w->counts);
  for (int i = 0; i < b->count; i++)
    w->counts[b->leaf[i] / b->own_leaves * mesh->tensor.size + w->leaf.place[i]]++;
  w->owned = 0;
  return TT_OK;
}
