#include "train/work.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "train/backend.h"

void tt_work_free(tt_work *w) {
  void *all[] = {w->index, w->owner, w->own, w->all, w->counts, w->sorted, w->still};
  void *shared[] = {w->token, w->position, w->distance};
  tt_leaf_free(&w->leaf);
  for (size_t k = 0; k < sizeof shared / sizeof *shared; k++)
    if (shared[k]) w->ops_->release(shared[k]);
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
  *w = (tt_work){0};
}

// As many molecules and atoms as the largest batches so far had, and a margin: batches differ in atoms only.
static tt_status make(tt_work *w, const tt_ops *ops, const tt_mesh *mesh, size_t molecules, size_t atoms) {
  if (molecules < w->molecules_) molecules = w->molecules_;
  if (atoms < w->atoms_) atoms = w->atoms_;
  size_t n = molecules, a = atoms + atoms / 4;
  tt_work_free(w);
  w->ops_ = ops;
  TT_TRY(tt_leaf_init(&w->leaf, mesh->tensor.size, n));
  TT_TRY(tt_alloc(&w->index, n, sizeof *w->index, "a step"));
  TT_TRY(tt_backend_alloc(ops, &w->token, a, sizeof *w->token, "a step"));
  TT_TRY(tt_backend_alloc(ops, &w->position, n, sizeof *w->position, "a step"));
  TT_TRY(tt_backend_alloc(ops, &w->distance, n, sizeof *w->distance, "a step"));
  TT_TRY(tt_alloc(&w->owner, a, sizeof *w->owner, "a step"));
  TT_TRY(tt_alloc(&w->own, n, sizeof *w->own, "a step"));
  TT_TRY(tt_alloc(&w->all, n, sizeof *w->all, "a step"));
  TT_TRY(tt_alloc(&w->sorted, n, sizeof *w->sorted, "a step"));
  TT_TRY(tt_alloc(&w->counts, (size_t)mesh->world.size, sizeof *w->counts, "a step"));
  TT_TRY(tt_alloc(&w->still, (n + a) * 3, sizeof *w->still, "a step"));
  for (size_t i = 0; i < n; i++) w->index[i] = (int32_t)i;
  w->molecules_ = n, w->atoms_ = a;
  return TT_OK;
}

tt_status tt_work_begin(tt_work *w, const tt_ops *ops, const tt_mesh *mesh, const tt_global_batch *b) {
  if ((size_t)b->count > w->molecules_ || (size_t)b->total_atoms > w->atoms_)
    TT_TRY(make(w, ops, mesh, (size_t)b->count, (size_t)b->total_atoms));
  TT_TRY(tt_leaf_deal(&w->leaf, b));
  memset(w->counts, 0, (size_t)mesh->world.size * sizeof *w->counts);
  for (int i = 0; i < b->count; i++)
    w->counts[b->leaf[i] / b->own_leaves * mesh->tensor.size + w->leaf.place[i]]++;
  tt_work_again(w);
  return TT_OK;
}

void tt_work_again(tt_work *w) {
  w->owned = 0;
  w->masked = 0;
}

tt_piece_losses tt_work_losses(const tt_work *w) {
  return (tt_piece_losses){w->token + w->masked, w->position + w->owned, w->distance + w->owned};
}

void tt_work_note(tt_work *w, const tt_batch *piece) {
  for (int m = 0; m < piece->molecules; m++)
    w->own[w->owned + m] = (tt_molecule_losses){.batch_index = piece->batch_index[m]};
  for (int64_t k = 0; k < piece->masked; k++)
    w->owner[w->masked + k] = w->owned + piece->token_molecule[piece->masked_row[k]];
  w->owned += piece->molecules;
  w->masked += piece->masked;
}

void tt_work_read_losses(tt_work *w) {
  for (int m = 0; m < w->owned; m++) {
    tt_molecule_losses *l = &w->own[m];
    *l = (tt_molecule_losses){
        .position = w->position[m], .distance = w->distance[m], .batch_index = l->batch_index};
  }
  for (int64_t k = 0; k < w->masked; k++) {
    tt_molecule_losses *l = &w->own[w->owner[k]];
    l->token += w->token[k];
    l->token_squares += w->token[k] * w->token[k];
    l->masked++;
  }
}
