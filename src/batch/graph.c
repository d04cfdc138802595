#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "batch/batch.h"
#include "batch/paths.h"
#include "core/memory.h"

// Sizes of the feature tables (their last entry is "misc" where there is one).
static const uint8_t atom_table[TT_ATOM_FEATURES] = {119, 7, 12, 12, 10, 6, 6, 2, 2};
static const uint8_t bond_table[TT_BOND_FEATURES] = {5, 6, 2};

enum {
  UNBONDED = 2,
  MAX_NEIGHBOURS = 125, // degree = neighbours + 2 must stay below the 128 rows of its table
};

static tt_status check_bonds(int atoms, int bonds, const uint16_t *bond_atoms) {
  for (int k = 0; k < 2 * bonds; k++)
    if (bond_atoms[k] >= atoms)
      return tt_fail(TT_ERR_DATA, "bond %d joins atom %d of a molecule of %d atoms", k / 2, bond_atoms[k],
                     atoms);
  return TT_OK;
}

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

static void *take(unsigned char **at, size_t bytes) {
  void *p = *at;
  *at += (bytes + 63) / 64 * 64;
  return p;
}

// One allocation holds all arrays, so that a reused sample allocates only to grow. Scratch comes first.
static tt_status layout(tt_sample *s, size_t atoms, size_t bonds) {
  size_t scratch = larger(tt_paths_memory(atoms, bonds), atoms * sizeof(uint64_t));
  size_t bytes = scratch + atoms * (3 + 2 * TT_ATOM_INPUTS + 2 + 24) + atoms * atoms * 5 + 10 * 64;
  TT_TRY(tt_reserve(&s->memory_, &s->memory_size_, bytes, 1, "a sample"));
  unsigned char *at = s->memory_;
  take(&at, scratch);
  s->position = take(&at, atoms * 12);
  s->target_position = take(&at, atoms * 12);
  s->path = take(&at, atoms * atoms * 2);
  s->atom_input = take(&at, atoms * TT_ATOM_INPUTS * 2);
  s->degree = take(&at, atoms * 2);
  s->edge = take(&at, atoms * atoms * 3);
  s->token = take(&at, atoms);
  s->target = take(&at, atoms);
  s->pair_class = take(&at, atoms);
  s->atoms = (int)atoms;
  s->masked = 0;
  return TT_OK;
}

void tt_sample_free(tt_sample *sample) {
  free(sample->memory_);
  *sample = (tt_sample){0};
}

static tt_status wrong_feature(const tt_molecule *m) {
  for (uint32_t a = 0; a < m->atoms; a++)
    for (int k = 0; k < TT_ATOM_FEATURES; k++) {
      int index = m->atom_features[a * TT_ATOM_FEATURES + (uint32_t)k];
      if (index >= atom_table[k])
        return tt_fail(TT_ERR_DATA, "atom %u has index %d in feature table %d of %d entries", a, index, k,
                       atom_table[k]);
    }
  return TT_OK;
}

static tt_status atom_features(tt_sample *s, const tt_molecule *m) {
  bool wrong = false; // looked at once, not in each turn
  for (int a = 0; a < s->atoms; a++) {
    const uint8_t *raw = m->atom_features + (size_t)a * TT_ATOM_FEATURES;
    for (int k = 0; k < TT_ATOM_FEATURES; k++) wrong |= raw[k] >= atom_table[k];
    s->token[a] = (uint8_t)tt_atomic_number(m, (uint32_t)a);
    for (int k = 0; k < TT_ATOM_INPUTS; k++)
      s->atom_input[(size_t)a * TT_ATOM_INPUTS + k] = (uint16_t)(raw[k + 1] + 3 + 16 * k);
    s->pair_class[a] = (uint8_t)(raw[1] + 3); // chirality, not the element: upstream's choice, kept
    s->degree[a] = 2;
  }
  return wrong ? wrong_feature(m) : TT_OK;
}

static tt_status bond_features(tt_sample *s, const tt_molecule *m) {
  size_t n = (size_t)s->atoms;
  memset(s->edge, UNBONDED, n * n * 3);
  for (uint32_t b = 0; b < m->bonds; b++) {
    const uint8_t *raw = m->bond_features + (size_t)b * TT_BOND_FEATURES;
    size_t i = m->bond_atoms[2 * b], j = m->bond_atoms[2 * b + 1];
    uint8_t *there = s->edge + (i * n + j) * 3, *back = s->edge + (j * n + i) * 3;
    if (i == j || there[0] != UNBONDED)
      return tt_fail(TT_ERR_DATA, "bond %u joins atoms %zu and %zu, which are one atom or bonded already", b,
                     i, j);
    for (int k = 0; k < TT_BOND_FEATURES; k++) {
      if (raw[k] >= bond_table[k])
        return tt_fail(TT_ERR_DATA, "bond %u has index %d in feature table %d of %d entries", b, raw[k], k,
                       bond_table[k]);
      there[k] = back[k] = (uint8_t)(raw[k] + 4 + 16 * k);
    }
    if (++s->degree[i] > MAX_NEIGHBOURS + 2 || ++s->degree[j] > MAX_NEIGHBOURS + 2)
      return tt_fail(TT_ERR_DATA, "an atom of bond %u has more than %d neighbours", b, MAX_NEIGHBOURS);
  }
  return TT_OK;
}

static tt_status fill(tt_sample *s, const tt_molecule *m, int max_atoms) {
  if (m->atoms < 1) return tt_fail(TT_ERR_DATA, "a molecule without atoms");
  if (m->atoms > (uint32_t)max_atoms || m->atoms > UINT16_MAX)
    return tt_fail(TT_ERR_DATA,
                   "%u atoms, more than data.max_atoms = %d: raise it, or build the store without such "
                   "molecules",
                   m->atoms, max_atoms);
  if (m->bonds > INT32_MAX / 2) return tt_fail(TT_ERR_DATA, "%u bonds", m->bonds);
  TT_TRY(check_bonds((int)m->atoms, (int)m->bonds, m->bond_atoms));
  TT_TRY(layout(s, m->atoms, m->bonds));
  TT_TRY(atom_features(s, m));
  TT_TRY(bond_features(s, m));
  tt_paths_find(s->atoms, (int)m->bonds, m->bond_atoms, s->path, s->memory_);
  size_t n = (size_t)s->atoms;
  memset(s->target, 0, n);
  memset(s->position, 0, n * 3 * sizeof(float));
  memset(s->target_position, 0, n * 3 * sizeof(float));
  return TT_OK;
}

tt_status tt_sample_graph(tt_sample *sample, const tt_molecule *molecule, int max_atoms) {
  tt_status status = fill(sample, molecule, max_atoms);
  if (status == TT_ERR_DATA)
    tt_fail_in(status, "record %llu, SMILES '%.*s'", (unsigned long long)sample->record,
               molecule->smiles ? (int)molecule->smiles_length : 0, molecule->smiles ? molecule->smiles : "");
  return status;
}
