#include "store/keep.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum { PIECE = 4 << 20 };

// Room for `bytes`, aligned to 8.
static tt_status take(tt_keep *k, size_t bytes, void *room) {
  bytes = (bytes + 7) / 8 * 8;
  while (k->at_ < k->count_ && k->used_ + bytes > k->pieces_[k->at_].size) {
    if (k->used_ == 0) { // too small for this one molecule: a larger piece takes its place
      free(k->pieces_[k->at_].data);
      k->pieces_[k->at_] = k->pieces_[--k->count_];
      continue;
    }
    k->at_++, k->used_ = 0;
  }
  if (k->at_ >= k->count_) {
    size_t size = bytes > PIECE ? bytes : PIECE;
    TT_TRY(tt_reserve(&k->pieces_, &k->room_, k->count_ + 1, sizeof *k->pieces_, "the molecules of a shard"));
    TT_TRY(tt_alloc(&k->pieces_[k->count_].data, size, 1, "the molecules of a shard"));
    k->pieces_[k->count_].size = size;
    k->at_ = k->count_++, k->used_ = 0;
  }
  *(void **)room = k->pieces_[k->at_].data + k->used_;
  k->used_ += bytes;
  return TT_OK;
}

void tt_keep_clear(tt_keep *k) {
  k->at_ = k->used_ = 0;
}

void tt_keep_free(tt_keep *k) {
  for (size_t p = 0; p < k->count_; p++) free(k->pieces_[p].data);
  free(k->pieces_);
  *k = (tt_keep){0};
}

// `array` becomes a copy of its bytes.
static tt_status copy(tt_keep *k, void *array, size_t bytes) {
  const void **at = array, *from = *at;
  void *room;
  TT_TRY(take(k, bytes, &room));
  if (bytes) memcpy(room, from, bytes);
  *at = room;
  return TT_OK;
}

static size_t conformer_bytes(const tt_molecule *m) {
  return (size_t)m->atoms * 3 * sizeof(float);
}

tt_status tt_keep_molecule(tt_keep *k, const tt_molecule *from, tt_molecule *to) {
  *to = *from;
  TT_TRY(copy(k, &to->atom_features, (size_t)to->atoms * TT_ATOM_FEATURES));
  TT_TRY(copy(k, &to->bond_atoms, (size_t)to->bonds * 2 * sizeof *to->bond_atoms));
  TT_TRY(copy(k, &to->bond_features, (size_t)to->bonds * TT_BOND_FEATURES));
  TT_TRY(copy(k, &to->coordinates, to->conformers * conformer_bytes(to)));
  if (to->coordinates_2d) TT_TRY(copy(k, &to->coordinates_2d, conformer_bytes(to)));
  return copy(k, &to->smiles, to->smiles_length);
}

// ---- one molecule out of several records
// ----------------------------------------------------------------------

static int compare_smiles(const tt_molecule *a, const tt_molecule *b) {
  uint32_t shorter = a->smiles_length < b->smiles_length ? a->smiles_length : b->smiles_length;
  int order = shorter ? memcmp(a->smiles, b->smiles, shorter) : 0;
  return order ? order : (a->smiles_length > b->smiles_length) - (a->smiles_length < b->smiles_length);
}

// By SMILES; equal ones stay in order. They are few.
static void sort(tt_molecule *m, uint32_t count) {
  for (uint32_t k = 1; k < count; k++) {
    tt_molecule one = m[k];
    uint32_t to = k;
    for (; to && compare_smiles(&one, &m[to - 1]) < 0; to--) m[to] = m[to - 1];
    m[to] = one;
  }
}

static bool same_graph(const tt_molecule *a, const tt_molecule *b) {
  return a->atoms == b->atoms && a->bonds == b->bonds &&
         memcmp(a->atom_features, b->atom_features, (size_t)a->atoms * TT_ATOM_FEATURES) == 0 &&
         (a->bonds == 0 ||
          (memcmp(a->bond_atoms, b->bond_atoms, (size_t)a->bonds * 2 * sizeof *a->bond_atoms) == 0 &&
           memcmp(a->bond_features, b->bond_features, (size_t)a->bonds * TT_BOND_FEATURES) == 0));
}

static const char *conformer(const tt_molecule *m, uint32_t c) {
  return (const char *)m->coordinates + c * conformer_bytes(m);
}

// The records m[0 .. count-1] of one molecule become m[0].
static tt_status join(tt_keep *k, tt_molecule *m, uint32_t count, tt_unite_counts *counts) {
  size_t all = 0, bytes = conformer_bytes(m);
  for (uint32_t r = 0; r < count; r++) all += m[r].conformers;
  char *room;
  TT_TRY(take(k, all * bytes, &room));
  memcpy(room, m->coordinates, m->conformers * bytes);
  uint32_t have = m->conformers;
  for (uint32_t r = 1; r < count; r++) {
    counts->joined++;
    if (!same_graph(m, &m[r])) {
      counts->other_graph++;
      continue;
    }
    for (uint32_t c = 0; c < m[r].conformers; c++) {
      uint32_t seen = 0;
      while (seen < have && memcmp(room + seen * bytes, conformer(&m[r], c), bytes) != 0) seen++;
      if (seen < have)
        counts->same++;
      else
        memcpy(room + have++ * bytes, conformer(&m[r], c), bytes);
    }
  }
  m->coordinates = (const float *)(const void *)room, m->conformers = have;
  return TT_OK;
}

tt_status tt_keep_unite(tt_keep *k, tt_molecule *molecules, uint32_t count, uint32_t *left,
                        tt_unite_counts *counts) {
  *left = 0;
  sort(molecules, count);
  for (uint32_t first = 0, end; first < count; first = end) {
    for (end = first + 1; end < count && compare_smiles(&molecules[first], &molecules[end]) == 0;) end++;
    if (end - first > 1) TT_TRY(join(k, molecules + first, end - first, counts));
    molecules[(*left)++] = molecules[first];
  }
  return TT_OK;
}
