#include "store/features.h"

#include <stddef.h>

#include "chem/molecule.h"

// Sizes of OGB's feature tables (each with its last entry "misc" where the table has one), and the lowest bit
// of each field. A field ends where the next one begins.
enum { ATOM_BITS = 30, BOND_BITS = 7 };
static const uint8_t atom_table[TT_ATOM_FEATURES] = {119, 7, 12, 12, 10, 6, 6, 2, 2};
static const uint8_t atom_bit[TT_ATOM_FEATURES + 1] = {0, 7, 10, 14, 18, 22, 25, 28, 29, ATOM_BITS};
static const uint8_t bond_table[TT_BOND_FEATURES] = {5, 6, 2};
static const uint8_t bond_bit[TT_BOND_FEATURES + 1] = {0, 3, 6, BOND_BITS};

void tt_atoms_pack(const uint8_t *features, uint64_t atoms, uint32_t *words) {
  for (uint64_t i = 0; i < atoms; i++, features += TT_ATOM_FEATURES) {
    words[i] = 0;
    for (int k = 0; k < TT_ATOM_FEATURES; k++) words[i] |= (uint32_t)features[k] << atom_bit[k];
  }
}

bool tt_atoms_unpack(const uint32_t *words, uint64_t atoms, uint8_t *features) {
  uint32_t all = 0;
  for (uint64_t i = 0; i < atoms; i++, features += TT_ATOM_FEATURES) {
    uint32_t word = words[i];
    all |= word;
    for (int k = 0; k < TT_ATOM_FEATURES; k++)
      features[k] = (uint8_t)(word >> atom_bit[k] & ((1u << (atom_bit[k + 1] - atom_bit[k])) - 1));
  }
  return all >> ATOM_BITS == 0;
}

void tt_bonds_pack(const uint8_t *features, uint64_t bonds, uint8_t *bytes) {
  for (uint64_t i = 0; i < bonds; i++, features += TT_BOND_FEATURES)
    bytes[i] =
        (uint8_t)(features[0] << bond_bit[0] | features[1] << bond_bit[1] | features[2] << bond_bit[2]);
}

bool tt_bonds_unpack(const uint8_t *bytes, uint64_t bonds, uint8_t *features) {
  unsigned all = 0;
  for (uint64_t i = 0; i < bonds; i++, features += TT_BOND_FEATURES) {
    unsigned byte = bytes[i];
    all |= byte;
    for (int k = 0; k < TT_BOND_FEATURES; k++)
      features[k] = (uint8_t)(byte >> bond_bit[k] & ((1u << (bond_bit[k + 1] - bond_bit[k])) - 1));
  }
  return all >> BOND_BITS == 0;
}

// Whether any of `count` rows has an index outside its table. No early end: nearly all rows are sound.
static bool outside(const uint8_t *features, uint64_t count, const uint8_t *table, int columns) {
  unsigned bad = 0;
  for (uint64_t i = 0; i < count; i++, features += columns)
    for (int k = 0; k < columns; k++) bad |= features[k] >= table[k];
  return bad;
}

const char *tt_features_fault(const uint8_t *atom_features, uint64_t atoms, const uint8_t *bond_features,
                              uint64_t bonds) {
  if (outside(atom_features, atoms, atom_table, TT_ATOM_FEATURES))
    return "an atom feature is outside its table";
  if (outside(bond_features, bonds, bond_table, TT_BOND_FEATURES))
    return "a bond feature is outside its table";
  return NULL;
}
