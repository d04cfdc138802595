// Feature indices as a shard holds them: the nine of an atom in the low 30 bits of a word, the three of a
// bond in the low 7 bits of a byte. Each field is as wide as its OGB table needs (docs/formats.md).
#ifndef TT_STORE_FEATURES_H
#define TT_STORE_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

// words: (atoms) packed from or to features: (atoms, TT_ATOM_FEATURES). Packing expects indices inside their
// tables. Unpacking returns false when a bit that no field has is set; indices beyond a table are the
// caller's to find (tt_features_fault).
void tt_atoms_pack(const uint8_t *features, uint64_t atoms, uint32_t *words);
bool tt_atoms_unpack(const uint32_t *words, uint64_t atoms, uint8_t *features);

// The same for bonds: bytes (bonds), features (bonds, TT_BOND_FEATURES).
void tt_bonds_pack(const uint8_t *features, uint64_t bonds, uint8_t *bytes);
bool tt_bonds_unpack(const uint8_t *bytes, uint64_t bonds, uint8_t *features);

// NULL when all indices are inside their tables, else what is wrong.
const char *tt_features_fault(const uint8_t *atom_features, uint64_t atoms, const uint8_t *bond_features,
                              uint64_t bonds);

#endif
