#include "train/work.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "train/backend.h"

void tt_work_free(tt_work *w) {
  void *all[] = {w->index,  w->owner, w->own,        w->all,           w->counts,
                 w->sorted, w->still, w->read.token, w->read.position, w->read.distance};
  void *made[] = {w->made.token, w->made.position, w->made.distance};
  tt_leaf_free(&w->leaf);
  for (size_t k = 0; k < sizeof made / sizeof *made; k++)
    if (made[k]) w->ops_->release(made[k]);
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
  *w = (tt_work){0};
}

static tt_status make_losses(tt_work *w, size_t atoms, size_t molecules) {
  TT_TRY(tt_backend_alloc(w->ops_, &w->made.token, atoms, sizeof(double), "a step"));
  TT_TRY(tt_backend_alloc(w->ops_, &w->made.position, molecules, sizeof(double), "a step"));
  TT_TRY(tt_backend_alloc(w->ops_, &w->made.distance, molecules, sizeof(double), "a step"));
  TT_TRY(tt_alloc(&w->read.token, atoms, sizeof(double), "a step"));
  TT_TRY(tt_alloc(&w->read.position, molecules, sizeof(double), "a step"));
  return tt_alloc(&w->read.distance, molecules, sizeof(double), "a step");
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
  TT_TRY(make_losses(w, a, n));
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
  return (tt_piece_losses){w->made.token + w->masked, w->made.position + w->owned,
                           w->made.distance + w->owned};
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
  const size_t molecules = (size_t)w->owned * sizeof(double);
  if (w->owned == 0) return;
  w->ops_->download(w->made.token, (size_t)w->masked * sizeof(double), w->read.token);
  w->ops_->download(w->made.position, molecules, w->read.position);
  w->ops_->download(w->made.distance, molecules, w->read.distance);
  for (int m = 0; m < w->owned; m++) {
    tt_molecule_losses *l = &w->own[m];
    *l = (tt_molecule_losses){
        .position = w->read.position[m], .distance = w->read.distance[m], .batch_index = l->batch_index};
  }
  for (int64_t k = 0; k < w->masked; k++) {
    tt_molecule_losses *l = &w->own[w->owner[k]];
    l->token += w->read.token[k];
    l->token_squares += w->read.token[k] * w->read.token[k];
    l->masked++;
  }
}
