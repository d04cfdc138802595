// Made-up molecules for the store's tests: any size, every field different, a pure function of (seed,
// number).
#ifndef TT_TESTS_STORE_SYNTHETIC_H
#define TT_TESTS_STORE_SYNTHETIC_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/philox.h"
#include "store/store.h"

static inline void *synthetic_alloc(size_t bytes) {
  void *p = calloc(bytes ? bytes : 1, 1);
  if (!p) abort();
  return p;
}

static inline float synthetic_float(uint64_t key, uint64_t i) {
  return (float)(tt_uniform(tt_philox(key, (uint32_t)i, 7, 0, 0).v[0]) * 20 - 10);
}

// The number mod 5 picks the kind: 0 one atom and no bond, 1 no bonds at all, 2 many conformers, else a
// chain.
static inline tt_molecule synthetic_molecule(uint64_t seed, uint64_t number, bool flat) {
  static const uint8_t atom_table[] = {119, 7, 12, 12, 10, 6, 6, 2, 2}, bond_table[] = {5, 6, 2};
  uint64_t key = tt_stream(seed, number, 1);
  tt_philox4 r = tt_philox(key, 0, 0, 0, 0);
  tt_molecule m = {.atoms = 1 + r.v[0] % 40, .conformers = 1 + r.v[1] % 3, .key = key, .scaffold = r.v[2]};
  if (number % 5 == 0) m.atoms = 1;
  if (number % 5 == 2) m.conformers = 11;
  if (number % 5 != 1) m.bonds = m.atoms - 1;
  uint8_t *atoms = synthetic_alloc(m.atoms * 9), *bonds = synthetic_alloc(m.bonds * 3);
  uint16_t *ends = synthetic_alloc(m.bonds * 4);
  size_t rows = (size_t)m.conformers * m.atoms;
  float *xyz = synthetic_alloc(rows * 12), *xy = flat ? synthetic_alloc(m.atoms * 12) : NULL;
  for (uint32_t i = 0; i < m.atoms * 9; i++) atoms[i] = tt_philox(key, i, 1, 0, 0).v[0] % atom_table[i % 9];
  for (uint32_t i = 0; i < m.bonds * 3; i++) bonds[i] = tt_philox(key, i, 2, 0, 0).v[0] % bond_table[i % 3];
  for (uint32_t i = 0; i < m.bonds; i++) ends[2 * i] = (uint16_t)i, ends[2 * i + 1] = (uint16_t)(i + 1);
  for (size_t i = 0; i < rows * 3; i++) xyz[i] = synthetic_float(key, i);
  for (size_t i = 0; flat && i < m.atoms * 3; i++) xy[i] = i % 3 == 2 ? 0 : synthetic_float(key ^ 1, i);
  char *smiles = synthetic_alloc(64);
  snprintf(smiles, 64, "C%llu(=%llx)", (unsigned long long)number, (unsigned long long)seed);
  m.atom_features = atoms, m.bond_features = bonds, m.bond_atoms = ends, m.coordinates = xyz,
  m.coordinates_2d = xy;
  m.smiles = smiles, m.smiles_length = number % 7 == 3 ? 0 : (uint32_t)strlen(smiles);
  return m;
}

static inline tt_molecule *synthetic_molecules(uint64_t seed, uint64_t count, bool flat) {
  tt_molecule *m = synthetic_alloc(count * sizeof *m);
  for (uint64_t k = 0; k < count; k++) m[k] = synthetic_molecule(seed, k, flat);
  return m;
}

static inline void synthetic_release(const tt_molecule *m) {
  free((void *)(uintptr_t)m->atom_features), free((void *)(uintptr_t)m->bond_features);
  free((void *)(uintptr_t)m->bond_atoms), free((void *)(uintptr_t)m->coordinates);
  free((void *)(uintptr_t)m->coordinates_2d), free((void *)(uintptr_t)m->smiles);
}

static inline void synthetic_free(tt_molecule *molecules, uint64_t count) {
  for (uint64_t k = 0; k < count; k++) synthetic_release(&molecules[k]);
  free(molecules);
}

static inline bool synthetic_same(const tt_molecule *a, const tt_molecule *b) {
  size_t atoms = a->atoms, bonds = a->bonds, rows = atoms * a->conformers;
  return a->atoms == b->atoms && a->bonds == b->bonds && a->conformers == b->conformers && a->key == b->key &&
         a->scaffold == b->scaffold && a->smiles_length == b->smiles_length &&
         !a->coordinates_2d == !b->coordinates_2d &&
         (!a->smiles_length || memcmp(a->smiles, b->smiles, a->smiles_length) == 0) &&
         memcmp(a->atom_features, b->atom_features, atoms * 9) == 0 &&
         (!bonds || (memcmp(a->bond_atoms, b->bond_atoms, bonds * 4) == 0 &&
                     memcmp(a->bond_features, b->bond_features, bonds * 3) == 0)) &&
         memcmp(a->coordinates, b->coordinates, rows * 12) == 0 &&
         (!a->coordinates_2d || memcmp(a->coordinates_2d, b->coordinates_2d, atoms * 12) == 0);
}

// One shard's worth of the store under test.
typedef struct {
  tt_split split;
  uint64_t count;
} synthetic_shard;

// Writes a store of these shards; the molecules of a split are numbered through, from `seed` (train) or
// seed+1.
static inline tt_status synthetic_store(const char *folder, uint64_t seed, bool flat,
                                        const synthetic_shard *shards, uint32_t count) {
  tt_store_info info = {.hydrogens = false, .coordinates_2d = flat, .seed = seed};
  snprintf(info.toolkit, sizeof info.toolkit, "made up");
  snprintf(info.recipe, sizeof info.recipe, "random graphs for tests \xc3\xa9");
  tt_shard_entry entries[32];
  uint64_t next[2] = {0, 0};
  for (uint32_t s = 0; s < count; s++) {
    int split = shards[s].split;
    tt_molecule *m = synthetic_alloc(shards[s].count * sizeof *m);
    for (uint64_t k = 0; k < shards[s].count; k++)
      m[k] = synthetic_molecule(seed + (uint64_t)split, next[split]++, flat);
    tt_status status = tt_shard_write(folder, s, shards[s].split, &info, m, shards[s].count, &entries[s]);
    synthetic_free(m, shards[s].count);
    if (status != TT_OK) return status;
  }
  return tt_manifest_write(folder, &info, entries, count);
}

#endif
