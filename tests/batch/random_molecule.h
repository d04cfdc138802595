// Random molecules for tests: a random tree plus a few rings, random features, positions of some Angstrom.
#ifndef TT_TESTS_RANDOM_MOLECULE_H
#define TT_TESTS_RANDOM_MOLECULE_H

#include <stdint.h>

#include "batch/batch.h"
#include "core/philox.h"

enum { RANDOM_MAX_ATOMS = 64, RANDOM_MAX_BONDS = RANDOM_MAX_ATOMS + 8, RANDOM_CONFORMERS = 3 };

typedef struct {
  tt_molecule molecule; // views the arrays below: do not copy this struct
  uint8_t atom_features[RANDOM_MAX_ATOMS * TT_ATOM_FEATURES];
  uint16_t bond_atoms[RANDOM_MAX_BONDS * 2];
  uint8_t bond_features[RANDOM_MAX_BONDS * TT_BOND_FEATURES];
  float coordinates[RANDOM_CONFORMERS * RANDOM_MAX_ATOMS * 3], coordinates_2d[RANDOM_MAX_ATOMS * 3];
} random_molecule;

typedef struct {
  uint64_t key;
  uint32_t next;
} random_source;

static inline uint32_t random_below(random_source *r, uint32_t n) {
  return (uint32_t)((uint64_t)tt_philox(r->key, r->next++, 0, 0, 0).v[0] * n >> 32);
}

static inline double random_number(random_source *r) {
  return tt_uniform(tt_philox(r->key, r->next++, 0, 0, 0).v[0]);
}

static inline void random_bond(random_molecule *m, random_source *r, uint32_t i, uint32_t j) {
  for (uint32_t b = 0; b < m->molecule.bonds; b++) {
    uint32_t x = m->bond_atoms[2 * b], y = m->bond_atoms[2 * b + 1];
    if ((x == i && y == j) || (x == j && y == i)) return;
  }
  uint32_t b = m->molecule.bonds++;
  m->bond_atoms[2 * b] = (uint16_t)i, m->bond_atoms[2 * b + 1] = (uint16_t)j;
  m->bond_features[3 * b] = (uint8_t)random_below(r, 5);
  m->bond_features[3 * b + 1] = (uint8_t)random_below(r, 6);
  m->bond_features[3 * b + 2] = (uint8_t)random_below(r, 2);
}

static inline void random_molecule_make(random_molecule *m, uint32_t atoms, uint64_t seed) {
  static const uint8_t table[TT_ATOM_FEATURES] = {118, 7, 12, 12, 10, 6, 6, 2, 2}; // 118 would be "misc"
  random_source r = {.key = seed};
  m->molecule = (tt_molecule){.atoms = atoms,
                              .conformers = RANDOM_CONFORMERS,
                              .atom_features = m->atom_features,
                              .bond_atoms = m->bond_atoms,
                              .bond_features = m->bond_features,
                              .coordinates = m->coordinates,
                              .coordinates_2d = m->coordinates_2d,
                              .smiles = "CCO",
                              .smiles_length = 3};
  for (uint32_t a = 0; a < atoms; a++)
    for (int k = 0; k < TT_ATOM_FEATURES; k++)
      m->atom_features[a * TT_ATOM_FEATURES + (uint32_t)k] = (uint8_t)random_below(&r, table[k]);
  for (uint32_t a = 1; a < atoms; a++) random_bond(m, &r, random_below(&r, a), a);
  for (uint32_t k = 0; k < 4 && atoms > 4; k++) {
    uint32_t i = random_below(&r, atoms), j = random_below(&r, atoms);
    if (i != j) random_bond(m, &r, i, j);
  }
  for (uint32_t k = 0; k < RANDOM_CONFORMERS * atoms * 3; k++)
    m->coordinates[k] = (float)(10 * random_number(&r) + 2); // off centre
  for (uint32_t k = 0; k < atoms * 3; k++)
    m->coordinates_2d[k] = k % 3 == 2 ? 0 : (float)(10 * random_number(&r));
}

static inline tt_data_config random_data_config(void) { // the paper's values
  return (tt_data_config){.max_atoms = 256,
                          .mask_probability = 0.15,
                          .noise = TT_NOISE_NORMAL,
                          .noise_scale = 0.2,
                          .noise_probability = 1,
                          .drop_features_probability = 0.5};
}

#endif
