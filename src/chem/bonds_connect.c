// Who is bonded to whom.
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "chem/bonds.h"
#include "core/memory.h"

// Radii in picometres for single, double and triple bonds.
static const struct {
  uint8_t number, radius[3];
} radii[] = {
    {1, {32, 32, 32}},     {5, {85, 78, 73}},     {6, {75, 67, 60}},     {7, {71, 60, 54}},
    {8, {63, 57, 53}},     {9, {64, 59, 53}},     {14, {116, 107, 102}}, {15, {111, 102, 94}},
    {16, {103, 94, 95}},   {17, {99, 95, 93}},    {32, {121, 111, 114}}, {33, {121, 114, 106}},
    {34, {116, 107, 107}}, {35, {114, 109, 110}}, {50, {140, 130, 132}}, {51, {140, 133, 127}},
    {52, {136, 128, 121}}, {53, {133, 129, 125}},
};

static const uint8_t *radii_of(int number) {
  for (size_t k = 0; k < sizeof radii / sizeof *radii; k++)
    if (radii[k].number == number) return radii[k].radius;
  return NULL;
}

float tt_bond_length(int number, int other, int order) {
  const uint8_t *a = radii_of(number), *b = radii_of(other);
  return a && b ? 0.01f * (float)(a[order - 1] + b[order - 1]) : 0;
}

// Bonds are up to 1.17 times the sum of radii long (peroxides); what is not bonded begins at 1.24 (the
// bridgeheads of bicyclo[1.1.1]pentane). Hydrogen's bonds vary more in files, and its other neighbours are
// farther off.
float tt_bond_reach(int number, int other) {
  return tt_bond_length(number, other, 1) * (number == 1 || other == 1 ? 1.3f : 1.22f);
}

// Beyond this times the sum of radii, a bond may be none after all where an atom has too many.
static const float doubtful = 1.12f;

// Atoms other than hydrogen that are nearer than this without being bonded must have a neighbour in common:
// else a stretched bond would pass for none, and its ends for ions.
static const float apart = 1.35f;

// An atom whose bonds are not perceived must be alone.
static const float reach_of_others = 2.6f;

static int most_neighbours(int number) {
  switch (number) {
  case 1:
  case 9:
    return 1;
  case 5:
  case 6:
  case 7:
  case 17:
  case 32:
  case 35:
  case 50:
    return 4;
  case 8:
    return 3;
  default:
    return TT_BONDS_MOST_NEIGHBOURS;
  }
}

static tt_status add_bond(tt_bonds *b, size_t *room, uint32_t i, uint32_t j, float length) {
  TT_TRY(tt_reserve(&b->bonds, room, b->count + 1, sizeof *b->bonds, "bonds"));
  b->bonds[b->count++] = (tt_bond){(uint16_t)i, (uint16_t)j, 1, length};
  return TT_OK;
}

// Every pair within reach, and those just beyond it.
static tt_status find_pairs(const uint8_t *numbers, const float *xyz, tt_bonds *b, tt_bonds *near) {
  size_t room = b->count = 0, near_room = near->count = 0;
  for (uint32_t i = 0; i < b->atoms; i++)
    for (uint32_t j = 0; j < i; j++) {
      float dx = xyz[3 * i] - xyz[3 * j], square = dx * dx;
      if (square > 9) continue; // longer than any bond
      float dy = xyz[3 * i + 1] - xyz[3 * j + 1], dz = xyz[3 * i + 2] - xyz[3 * j + 2];
      square += dy * dy + dz * dz;
      float reach = tt_bond_reach(numbers[i], numbers[j]);
      bool perceived = reach > 0;
      if (!perceived) reach = reach_of_others;
      if (square >= reach * reach) {
        float most = numbers[i] == 1 || numbers[j] == 1 || !perceived
                         ? 0
                         : apart * tt_bond_length(numbers[i], numbers[j], 1);
        if (square < most * most) TT_TRY(add_bond(near, &near_room, j, i, sqrtf(square)));
        continue;
      }
      if (!perceived)
        return tt_fail(TT_ERR_DATA,
                       "bonds: atoms %u and %u are too close for an element whose bonds are not "
                       "perceived (use SDF)",
                       j + 1, i + 1);
      if (square < 0.25f)
        return tt_fail(TT_ERR_DATA, "coordinates: atoms %u and %u are in one place", j + 1, i + 1);
      if (b->count >= b->atoms * TT_BONDS_MOST_NEIGHBOURS)
        return tt_fail(TT_ERR_DATA, "coordinates: atoms are too close to each other");
      TT_TRY(add_bond(b, &room, j, i, sqrtf(square)));
    }
  return TT_OK;
}

static void remove_bond(tt_bonds *b, uint32_t which) {
  memmove(b->bonds + which, b->bonds + which + 1, (b->count - which - 1) * sizeof *b->bonds);
  b->count--;
}

static float ratio_of(const uint8_t *numbers, const tt_bond *b) {
  return b->length / tt_bond_length(numbers[b->first], numbers[b->second], 1);
}

// Takes the longest bonds from an atom that has too many, if they are long.
static tt_status thin_out(const uint8_t *numbers, uint32_t atom, tt_bonds *b) {
  for (;;) {
    int count = 0;
    uint32_t longest = 0;
    float ratio = 0;
    for (uint32_t k = 0; k < b->count; k++) {
      const tt_bond *bond = &b->bonds[k];
      if (bond->first != atom && bond->second != atom) continue;
      count++;
      float here = ratio_of(numbers, bond);
      if (here > ratio) ratio = here, longest = k;
    }
    if (count <= most_neighbours(numbers[atom])) return TT_OK;
    if (ratio < doubtful) return tt_fail(TT_ERR_DATA, "bonds: atom %u has too many neighbours", atom + 1);
    remove_bond(b, longest);
  }
}

static bool is_bonded(const tt_bonds *b, uint16_t one, uint16_t two) {
  for (uint32_t k = 0; k < b->count; k++)
    if ((b->bonds[k].first == one && b->bonds[k].second == two) ||
        (b->bonds[k].first == two && b->bonds[k].second == one))
      return true;
  return false;
}

// Have the two a neighbour in common, by bonds that are beyond doubt?
static bool share_neighbour(const uint8_t *numbers, const tt_bonds *b, uint16_t one, uint16_t two) {
  for (uint32_t k = 0; k < b->count; k++) {
    const tt_bond *bond = &b->bonds[k];
    if ((bond->first != one && bond->second != one) || ratio_of(numbers, bond) >= doubtful) continue;
    if (is_bonded(b, bond->first == one ? bond->second : bond->first, two)) return true;
  }
  return false;
}

// Large atoms across a small one (P-N-P in a ring) can be nearer than small ones' reach would have it.
static void remove_contacts_across(const uint8_t *numbers, tt_bonds *b) {
  for (uint32_t k = b->count; k-- > 0;) {
    tt_bond contact = b->bonds[k];
    bool large = numbers[contact.first] >= 14 && numbers[contact.second] >= 14;
    if (large && ratio_of(numbers, &contact) >= doubtful &&
        share_neighbour(numbers, b, contact.first, contact.second))
      remove_bond(b, k);
  }
}

static tt_status check_near(const uint8_t *numbers, const tt_bonds *b, const tt_bonds *near) {
  for (uint32_t k = 0; k < near->count; k++) {
    const tt_bond *pair = &near->bonds[k];
    if (!share_neighbour(numbers, b, pair->first, pair->second))
      return tt_fail(TT_ERR_DATA,
                     "bonds: atoms %u and %u, %.2f Angstrom apart, are neither bonded nor separate",
                     pair->first + 1, pair->second + 1, (double)pair->length);
  }
  return TT_OK;
}

static tt_status thin_out_all(const uint8_t *numbers, tt_bonds *b) {
  int *count;
  TT_TRY(tt_alloc(&count, b->atoms, sizeof *count, "bonds"));
  for (uint32_t k = 0; k < b->count; k++) count[b->bonds[k].first]++, count[b->bonds[k].second]++;
  tt_status status = TT_OK;
  for (uint32_t i = 0; i < b->atoms && status == TT_OK; i++)
    if (count[i] > most_neighbours(numbers[i])) status = thin_out(numbers, i, b);
  free(count);
  return status;
}

tt_status tt_bonds_connect(uint32_t atoms, const uint8_t *numbers, const float *xyz, tt_bonds *b) {
  tt_bonds near = {0};
  b->atoms = atoms;
  tt_status status = find_pairs(numbers, xyz, b, &near);
  if (status == TT_OK) {
    remove_contacts_across(numbers, b);
    status = thin_out_all(numbers, b);
  }
  if (status == TT_OK) status = check_near(numbers, b, &near);
  tt_bonds_free(&near);
  return status;
}
