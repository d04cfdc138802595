// One molecule as the store holds it: the raw graph (OGB's feature tables) and its conformations.
#ifndef TT_CHEM_MOLECULE_H
#define TT_CHEM_MOLECULE_H

#include <stdint.h>

enum {
  TT_ATOM_FEATURES = 9, // atomic number, chirality, degree, formal charge, hydrogens, radical electrons,
                        // hybridisation, aromatic, in ring: each an index into its table (docs/formats.md)
  TT_BOND_FEATURES = 3, // type, stereo, conjugated
};

// A view: the arrays belong to whoever made it. Atom order is SMILES (or file) order.
typedef struct {
  uint32_t atoms, bonds, conformers;
  const uint8_t *atom_features; // (atoms, 9)
  const uint16_t *bond_atoms;   // (bonds, 2), each bond once
  const uint8_t *bond_features; // (bonds, 3)
  const float *coordinates;     // (conformers, atoms, 3), Angstrom, as generated (not centred)
  const float *coordinates_2d;  // (atoms, 3) or NULL
  const char *smiles;           // not terminated
  uint32_t smiles_length;
  uint64_t key;      // keyed hash of the canonical SMILES
  uint64_t scaffold; // hash of the Murcko scaffold's SMILES; 0 when the molecule has no ring
} tt_molecule;

// Atomic number 1..118 of an atom; 0 for "misc".
static inline int tt_atomic_number(const tt_molecule *m, uint32_t atom) {
  int index = m->atom_features[atom * TT_ATOM_FEATURES];
  return index < 118 ? index + 1 : 0;
}

#endif
