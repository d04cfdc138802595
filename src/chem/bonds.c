#include "chem/bonds.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

void tt_bonds_free(tt_bonds *b) {
  free(b->bonds), free(b->charges);
  memset(b, 0, sizeof *b);
}

// ---- does the geometry bear the orders out?

// Bonds much longer than their order has them: hydrogens that a file leaves out look like multiple bonds.
static tt_status check_lengths(const uint8_t *numbers, const tt_bonds *b) {
  for (uint32_t k = 0; k < b->count; k++) {
    const tt_bond *bond = &b->bonds[k];
    int one = numbers[bond->first], two = numbers[bond->second];
    float off = bond->length - tt_bond_length(one, two, bond->order);
    float most = one == 6 && two == 6 ? 0.17f : 0.22f;
    if (bond->order > 1 && off > most)
      return tt_fail(TT_ERR_DATA,
                     "bonds: atoms %u and %u would need a bond of order %d, but are %.2f Angstrom apart "
                     "(hydrogens missing?)",
                     bond->first + 1, bond->second + 1, bond->order, (double)bond->length);
  }
  return TT_OK;
}

// Carbon and nitrogen with two neighbours and no valence left for another are straight.
static tt_status check_straight(const uint8_t *numbers, const float *xyz, const tt_bonds *b, uint32_t atom) {
  uint32_t ends[2];
  int count = 0, orders = 0;
  for (uint32_t k = 0; k < b->count; k++) {
    const tt_bond *bond = &b->bonds[k];
    if (bond->first != atom && bond->second != atom) continue;
    if (count < 2) ends[count] = bond->first == atom ? bond->second : bond->first;
    count++, orders += bond->order;
  }
  if (count != 2 || orders < 4 || (numbers[atom] != 6 && numbers[atom] != 7)) return TT_OK;
  float dot = 0, squares[2] = {0, 0};
  for (int x = 0; x < 3; x++) {
    float u = xyz[3 * ends[0] + x] - xyz[3 * atom + x], v = xyz[3 * ends[1] + x] - xyz[3 * atom + x];
    dot += u * v, squares[0] += u * u, squares[1] += v * v;
  }
  if (dot <= -0.77f * sqrtf(squares[0] * squares[1])) return TT_OK; // 140 degrees
  return tt_fail(TT_ERR_DATA,
                 "bonds: atom %u would need two double bonds or a triple one, but is bent (hydrogens "
                 "missing?)",
                 atom + 1);
}

// Two places where a hydrogen is missing look like a carbon cation and a carbon anion.
static tt_status check_carbons(const uint8_t *numbers, const tt_bonds *b) {
  bool plus = false, minus = false;
  for (uint32_t i = 0; i < b->atoms; i++) {
    if (numbers[i] != 6 || !b->charges[i]) continue;
    *(b->charges[i] > 0 ? &plus : &minus) = true;
  }
  return plus && minus
             ? tt_fail(TT_ERR_DATA, "bonds: one carbon would be a cation and one an anion (hydrogens "
                                    "missing, or a radical?)")
             : TT_OK;
}

static tt_status perceive(const uint8_t *numbers, const float *xyz, int charge, tt_bonds *b) {
  TT_TRY(tt_bonds_connect(b->atoms, numbers, xyz, b));
  TT_TRY(tt_bonds_assign(numbers, charge, b));
  TT_TRY(check_lengths(numbers, b));
  TT_TRY(check_carbons(numbers, b));
  for (uint32_t i = 0; i < b->atoms; i++) TT_TRY(check_straight(numbers, xyz, b, i));
  return TT_OK;
}

tt_status tt_bonds_perceive(uint32_t atoms, const uint8_t *numbers, const float *xyz, int charge,
                            tt_bonds *b) {
  *b = (tt_bonds){.atoms = atoms};
  if (atoms > TT_BONDS_MOST_ATOMS) return tt_fail(TT_ERR_DATA, "too many atoms: %u", atoms);
  tt_status status = perceive(numbers, xyz, charge, b);
  if (status != TT_OK) tt_bonds_free(b);
  return status;
}
