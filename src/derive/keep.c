#include "derive/keep.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "core/memory.h"
#include "store/schema.h"

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

void tt_keep_sort(tt_molecule *m, uint32_t count) { // they are few
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

// The conformers of a molecule, found by their hashes: comparing each with each takes minutes where a
// molecule has tens of thousands.
typedef struct {
  char *data; // (room) of `bytes` each
  size_t bytes;
  uint32_t have, room;
  uint32_t *slots; // (mask + 1) open addressing; 1 + number of a conformer, 0: free
  uint64_t mask;
} conformer_set;

static tt_status begin_set(tt_keep *k, size_t bytes, size_t all, conformer_set *s) {
  *s =
      (conformer_set){.bytes = bytes, .room = all < TT_COUNT_MOST ? (uint32_t)all : TT_COUNT_MOST, .mask = 7};
  while (s->mask < 2 * (uint64_t)s->room) s->mask = 2 * s->mask + 1;
  TT_TRY(take(k, s->room * bytes, &s->data));
  TT_TRY(take(k, (s->mask + 1) * sizeof *s->slots, &s->slots));
  memset(s->slots, 0, (s->mask + 1) * sizeof *s->slots);
  return TT_OK;
}

// The slot of a conformer that is there, or else of this one.
static uint32_t *slot_of(const conformer_set *s, const char *conformer) {
  uint64_t at = XXH3_64bits(conformer, s->bytes) & s->mask;
  while (s->slots[at] && memcmp(s->data + (s->slots[at] - 1) * s->bytes, conformer, s->bytes) != 0)
    at = (at + 1) & s->mask;
  return &s->slots[at];
}

static void add_conformer(conformer_set *s, const char *conformer, uint32_t *slot) {
  memcpy(s->data + s->have * s->bytes, conformer, s->bytes);
  *slot = ++s->have;
}

// The records m[0 .. count-1] of one molecule become m[0]. What the first one has twice it keeps.
static tt_status join(tt_keep *k, tt_molecule *m, uint32_t count, tt_unite_counts *counts) {
  size_t all = 0, bytes = conformer_bytes(m);
  conformer_set set;
  for (uint32_t r = 0; r < count; r++) all += m[r].conformers;
  TT_TRY(begin_set(k, bytes, all, &set));
  for (uint32_t r = 0; r < count; r++) {
    counts->joined += r > 0;
    if (r > 0 && !same_graph(m, &m[r])) {
      counts->other_graph++;
      continue;
    }
    const char *next = (const char *)m[r].coordinates;
    for (uint32_t c = 0; c < m[r].conformers; c++, next += bytes) {
      uint32_t *slot = slot_of(&set, next);
      if (r > 0 && *slot)
        counts->same++;
      else if (set.have == set.room)
        counts->beyond++;
      else
        add_conformer(&set, next, slot);
    }
  }
  m->coordinates = (const float *)(const void *)set.data, m->conformers = set.have;
  return TT_OK;
}

tt_status tt_keep_unite(tt_keep *k, tt_molecule *molecules, uint32_t count, uint32_t *left,
                        tt_unite_counts *counts) {
  *left = 0;
  for (uint32_t first = 0, end; first < count; first = end) {
    for (end = first + 1; end < count && compare_smiles(&molecules[first], &molecules[end]) == 0;) end++;
    if (end - first > 1) TT_TRY(join(k, molecules + first, end - first, counts));
    molecules[(*left)++] = molecules[first];
  }
  return TT_OK;
}
