// Bonds of a molecule of which only atoms, all hydrogens included, and their places are known (as of an XYZ
// file): the way of Kim & Kim (Bull. Korean Chem. Soc. 36, 1769, 2015), distances say who is bonded to whom,
// then orders and formal charges are those that fit all valences. What does not fit is refused.
#ifndef TT_CHEM_BONDS_H
#define TT_CHEM_BONDS_H

#include <stdint.h>

#include "core/status.h"

enum {
  TT_BONDS_MOST_ATOMS = 4096,
  TT_BONDS_MOST_NEIGHBOURS = 6, // of one atom
};

typedef struct {
  uint16_t first, second;
  uint8_t order; // 1, 2, 3
  float length;  // Angstrom
} tt_bond;

typedef struct {
  uint32_t atoms, count;
  tt_bond *bonds;  // (count)
  int8_t *charges; // (atoms), formal
} tt_bonds;

// numbers: (atoms), atomic numbers. coordinates: (atoms, 3), Angstrom. charge: of the whole. TT_ERR_DATA: the
// bonds cannot be told, "kind: detail"; TT_ERR_MEMORY. tt_bonds_free afterwards, whatever the result.
//
// Of several ways to draw the bonds, one with the fewest and most usual charges is taken, among them the one
// whose bond lengths fit best. Radicals, carbenes and bonds of metals are refused (metals alone as ions of
// groups 1, 2 and zinc are fine), and so are frames that lack hydrogens.
tt_status tt_bonds_perceive(uint32_t atoms, const uint8_t *numbers, const float *coordinates, int charge,
                            tt_bonds *bonds);
void tt_bonds_free(tt_bonds *bonds);

// The two steps. First: who is bonded to whom, by the sum of their radii; orders are 1.
tt_status tt_bonds_connect(uint32_t atoms, const uint8_t *numbers, const float *coordinates, tt_bonds *bonds);

// Second: orders and charges of connected atoms.
tt_status tt_bonds_assign(const uint8_t *numbers, int charge, tt_bonds *bonds);

// Length of a bond of `order` between two elements, Angstrom: the sum of their radii (Pyykko & Atsumi, Chem.
// Eur. J. 15, 186 and 12770, 2009). 0 when bonds of one of them are not perceived.
float tt_bond_length(int number, int other, int order);

// The longest distance at which the two count as bonded; 0 as above.
float tt_bond_reach(int number, int other);

#endif
