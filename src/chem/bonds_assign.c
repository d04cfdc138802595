// Orders and charges of connected atoms: the cheapest of all assignments that fit, found exactly.
//
// Each atom takes one of its element's states (valence, charge), and each bond an order, so that the orders
// at an atom add up to its valence. Atoms are taken up one after the other along the bonds; what must be
// remembered of those behind is only how much valence is still open at the few whose bonds are not all
// decided, and the charge so far. So a table from that (the key) to the cheapest way there is carried along:
// dynamic programming over the frontier, which has a handful of atoms in a molecule, however large.
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/bonds.h"
#include "core/memory.h"

enum {
  STATES = 6,        // most of an element
  SLOTS = 18,        // most atoms of the frontier: 3 bits of a key each
  CHARGE_SHIFT = 56, // the charge lies above them, with an offset
  CHARGE_OFFSET = 100,
  MOST_CHARGE = 32,    // of what lies behind
  MOST_WAYS = 1 << 17, // of a step
  MOST_NODES = 1 << 22,
};

// Costs: charges count far more than lengths, which choose among ways of drawing the same charges.
enum { CHARGE_COST = 100000, LENGTH_COST = 1000, LENGTH_MOST = 9000 };

typedef struct {
  int8_t valence, charge;
  uint8_t cost; // of CHARGE_COST / 10
} state;

static const struct {
  uint8_t number;
  state states[STATES]; // ended by valence -1 if fewer
} elements[] = {
    {1, {{1, 0, 0}, {-1, 0, 0}}},
    {5, {{3, 0, 0}, {4, -1, 5}, {-1, 0, 0}}},
    {6, {{4, 0, 0}, {3, -1, 60}, {3, 1, 70}, {-1, 0, 0}}},
    {7, {{3, 0, 0}, {4, 1, 20}, {2, -1, 25}, {-1, 0, 0}}},
    {8, {{2, 0, 0}, {1, -1, 15}, {3, 1, 35}, {-1, 0, 0}}},
    {9, {{1, 0, 0}, {0, -1, 5}, {-1, 0, 0}}},
    {14, {{4, 0, 0}, {5, -1, 20}, {6, -2, 20}, {-1, 0, 0}}},
    {15, {{3, 0, 0}, {5, 0, 5}, {4, 1, 20}, {6, -1, 20}, {2, -1, 60}, {-1, 0, 0}}},
    {16, {{2, 0, 0}, {4, 0, 6}, {6, 0, 8}, {1, -1, 15}, {3, 1, 22}, {5, 1, 60}}},
    {17, {{1, 0, 0}, {0, -1, 5}, {7, 0, 30}, {5, 0, 30}, {3, 0, 30}, {2, 1, 50}}},
    {32, {{4, 0, 0}, {-1, 0, 0}}},
    {33, {{3, 0, 0}, {5, 0, 5}, {4, 1, 20}, {6, -1, 20}, {-1, 0, 0}}},
    {34, {{2, 0, 0}, {4, 0, 6}, {6, 0, 8}, {1, -1, 15}, {3, 1, 22}, {-1, 0, 0}}},
    {35, {{1, 0, 0}, {0, -1, 5}, {5, 0, 30}, {3, 0, 30}, {2, 1, 50}, {-1, 0, 0}}},
    {50, {{4, 0, 0}, {-1, 0, 0}}},
    {51, {{3, 0, 0}, {5, 0, 5}, {4, 1, 20}, {6, -1, 20}, {-1, 0, 0}}},
    {52, {{2, 0, 0}, {4, 0, 6}, {6, 0, 8}, {1, -1, 15}, {3, 1, 22}, {-1, 0, 0}}},
    {53, {{1, 0, 0}, {0, -1, 5}, {3, 0, 15}, {5, 0, 20}, {7, 0, 30}, {2, 1, 25}}},
    // alone
    {3, {{0, 1, 0}, {-1, 0, 0}}},
    {11, {{0, 1, 0}, {-1, 0, 0}}},
    {19, {{0, 1, 0}, {-1, 0, 0}}},
    {37, {{0, 1, 0}, {-1, 0, 0}}},
    {55, {{0, 1, 0}, {-1, 0, 0}}},
    {4, {{0, 2, 0}, {-1, 0, 0}}},
    {12, {{0, 2, 0}, {-1, 0, 0}}},
    {20, {{0, 2, 0}, {-1, 0, 0}}},
    {38, {{0, 2, 0}, {-1, 0, 0}}},
    {56, {{0, 2, 0}, {-1, 0, 0}}},
    {30, {{0, 2, 0}, {-1, 0, 0}}},
};

// A step: an atom is taken up, a bond gets its order, an atom is done with.
typedef struct {
  enum { TAKE, BOND, DONE } what;
  uint16_t which;         // atom or bond
  uint8_t slot, slot_two; // of the atoms
} step;

// A way to get to a key at a step.
typedef struct {
  uint64_t key;
  int32_t cost, from; // from: the way at the step before
  int8_t choice;      // state of the atom, order of the bond less 1
} way;

typedef struct {
  const uint8_t *numbers;
  tt_bonds *bonds;
  uint16_t (*around)[TT_BONDS_MOST_NEIGHBOURS]; // bonds of each atom
  uint8_t *degree, *slot_of;
  bool *taken;
  step *steps;
  size_t step_count, step_room;
  way *ways; // of all steps, one after the other
  size_t way_count, way_room;
  size_t *begin;  // (step_count + 2), of each step's; the first has one way of its own
  int32_t *table; // open hash of a step's ways
  size_t table_size;
  uint32_t slots_used;
} work;

static const state *states_of(int number) {
  for (size_t k = 0; k < sizeof elements / sizeof *elements; k++)
    if (elements[k].number == number) return elements[k].states;
  return NULL;
}

static uint16_t other_end(const tt_bond *b, uint16_t atom) {
  return b->first == atom ? b->second : b->first;
}

// ---- the order of the steps

static tt_status add_step(work *w, step s) {
  TT_TRY(tt_reserve(&w->steps, &w->step_room, w->step_count + 1, sizeof *w->steps, "bonds"));
  w->steps[w->step_count++] = s;
  return TT_OK;
}

static int neighbours_left(const work *w, uint16_t atom) {
  int left = 0;
  for (int k = 0; k < w->degree[atom]; k++)
    left += !w->taken[other_end(&w->bonds->bonds[w->around[atom][k]], atom)];
  return left;
}

static tt_status close_if_done(work *w, uint16_t atom) {
  if (neighbours_left(w, atom) > 0) return TT_OK;
  w->slots_used &= ~(1u << w->slot_of[atom]);
  return add_step(w, (step){DONE, atom, w->slot_of[atom], 0});
}

static tt_status take_up(work *w, uint16_t atom) {
  uint8_t slot = 0;
  while (slot < SLOTS && w->slots_used >> slot & 1) slot++;
  if (slot == SLOTS) return tt_fail(TT_ERR_DATA, "bonds: the rings are too entangled");
  w->slots_used |= 1u << slot, w->slot_of[atom] = slot, w->taken[atom] = true;
  TT_TRY(add_step(w, (step){TAKE, atom, slot, 0}));
  for (int k = 0; k < w->degree[atom]; k++) {
    uint16_t bond = w->around[atom][k], other = other_end(&w->bonds->bonds[bond], atom);
    if (!w->taken[other]) continue;
    TT_TRY(add_step(w, (step){BOND, bond, slot, w->slot_of[other]}));
    TT_TRY(close_if_done(w, other));
  }
  return close_if_done(w, atom);
}

// Next is a neighbour of the frontier that adds the least to it; else an atom of another fragment.
static tt_status order_steps(work *w) {
  uint32_t atoms = w->bonds->atoms;
  uint16_t *edge; // atoms that are taken up and may have neighbours left
  TT_TRY(tt_alloc(&edge, atoms, sizeof *edge, "bonds"));
  tt_status status = TT_OK;
  uint32_t edge_count = 0, first = 0;
  for (uint32_t done = 0; done < atoms && status == TT_OK; done++) {
    int best = INT8_MAX;
    uint16_t next = 0;
    uint32_t kept = 0;
    for (uint32_t e = 0; e < edge_count; e++) {
      uint16_t atom = edge[e];
      if (neighbours_left(w, atom) == 0) continue;
      edge[kept++] = atom;
      for (int k = 0; k < w->degree[atom]; k++) {
        uint16_t other = other_end(&w->bonds->bonds[w->around[atom][k]], atom);
        if (w->taken[other]) continue;
        int left = neighbours_left(w, other);
        if (left < best) best = left, next = other;
      }
    }
    edge_count = kept;
    if (best == INT8_MAX) {
      while (w->taken[first]) first++;
      next = (uint16_t)first;
    }
    edge[edge_count++] = next;
    status = take_up(w, next);
  }
  free(edge);
  return status;
}

// ---- the ways through the steps

static int open_at(uint64_t key, int slot) {
  return (int)(key >> 3 * slot & 7);
}

static uint64_t with_open(uint64_t key, int slot, int open) {
  return (key & ~((uint64_t)7 << 3 * slot)) | (uint64_t)open << 3 * slot;
}

static tt_status clear_table(work *w, size_t expected) {
  size_t size = 64;
  while (size < 2 * expected) size *= 2;
  if (size > w->table_size) {
    free(w->table), w->table = NULL, w->table_size = 0;
    TT_TRY(tt_alloc(&w->table, size, sizeof *w->table, "bonds"));
    w->table_size = size;
  }
  memset(w->table, 0xff, w->table_size * sizeof *w->table);
  return TT_OK;
}

// Keeps the cheaper of two ways to one key.
static tt_status offer(work *w, size_t begin, way offered) {
  size_t at = (offered.key ^ offered.key >> 29) * 0x9e3779b97f4a7c15u >> 32 & (w->table_size - 1);
  for (; w->table[at] >= 0; at = (at + 1) & (w->table_size - 1)) {
    way *there = &w->ways[w->table[at]];
    if (there->key != offered.key) continue;
    if (offered.cost < there->cost) *there = offered;
    return TT_OK;
  }
  if (w->way_count - begin >= MOST_WAYS || w->way_count >= MOST_NODES)
    return tt_fail(TT_ERR_DATA, "bonds: there are too many ways to draw them");
  TT_TRY(tt_reserve(&w->ways, &w->way_room, w->way_count + 1, sizeof *w->ways, "bonds"));
  w->table[at] = (int32_t)w->way_count;
  w->ways[w->way_count++] = offered;
  return TT_OK;
}

static tt_status take_atom(work *w, const step *s, size_t begin, int32_t from) {
  const state *states = states_of(w->numbers[s->which]);
  way here = w->ways[from];
  for (int k = 0; k < STATES && states[k].valence >= 0; k++) {
    int open = states[k].valence - w->degree[s->which];
    int charge = (int)(here.key >> CHARGE_SHIFT) - CHARGE_OFFSET + states[k].charge;
    if (open < 0 || abs(charge) > MOST_CHARGE) continue;
    uint64_t key = with_open(here.key, s->slot, open) & (((uint64_t)1 << CHARGE_SHIFT) - 1);
    key |= (uint64_t)(charge + CHARGE_OFFSET) << CHARGE_SHIFT;
    int32_t cost = here.cost + states[k].cost * (CHARGE_COST / 10);
    TT_TRY(offer(w, begin, (way){key, cost, from, (int8_t)k}));
  }
  return TT_OK;
}

static int32_t length_cost(const work *w, const tt_bond *b, int order) {
  float off = (b->length - tt_bond_length(w->numbers[b->first], w->numbers[b->second], order)) / 0.1f;
  return (int32_t)fminf(LENGTH_COST * off * off, LENGTH_MOST);
}

static tt_status take_bond(work *w, const step *s, size_t begin, int32_t from) {
  const tt_bond *b = &w->bonds->bonds[s->which];
  way here = w->ways[from];
  for (int more = 0; more < 3; more++) {
    int one = open_at(here.key, s->slot) - more, two = open_at(here.key, s->slot_two) - more;
    if (one < 0 || two < 0) break;
    uint64_t key = with_open(with_open(here.key, s->slot, one), s->slot_two, two);
    TT_TRY(offer(w, begin, (way){key, here.cost + length_cost(w, b, 1 + more), from, (int8_t)more}));
  }
  return TT_OK;
}

static tt_status find_ways(work *w) {
  TT_TRY(tt_reserve(&w->ways, &w->way_room, 1, sizeof *w->ways, "bonds"));
  w->ways[0] = (way){(uint64_t)CHARGE_OFFSET << CHARGE_SHIFT, 0, -1, 0}, w->way_count = 1;
  w->begin[0] = 0;
  for (size_t k = 0; k < w->step_count; k++) {
    const step *s = &w->steps[k];
    size_t begin = w->begin[k + 1] = w->way_count;
    TT_TRY(clear_table(w, STATES * (begin - w->begin[k])));
    for (size_t from = w->begin[k]; from < begin; from++) {
      if (s->what == TAKE)
        TT_TRY(take_atom(w, s, begin, (int32_t)from));
      else if (s->what == BOND)
        TT_TRY(take_bond(w, s, begin, (int32_t)from));
      else if (open_at(w->ways[from].key, s->slot) == 0)
        TT_TRY(offer(w, begin, (way){w->ways[from].key, w->ways[from].cost, (int32_t)from, 0}));
    }
    if (w->way_count == begin)
      return tt_fail(TT_ERR_DATA, "bonds: no orders fit the distances around atom %u (hydrogens missing?)",
                     s->what == BOND ? w->bonds->bonds[s->which].first + 1u : s->which + 1u);
  }
  w->begin[w->step_count + 1] = w->way_count;
  return TT_OK;
}

// ---- the result

// Names the charges that take little more than the cheapest.
static tt_status no_such_charge(const work *w, int charge) {
  char fits[200] = "";
  size_t length = 0, begin = w->begin[w->step_count];
  int32_t least = INT32_MAX;
  for (size_t k = begin; k < w->way_count; k++) least = w->ways[k].cost < least ? w->ways[k].cost : least;
  for (int c = -MOST_CHARGE; c <= MOST_CHARGE; c++)
    for (size_t k = begin; k < w->way_count; k++) {
      const way *last = &w->ways[k];
      bool other =
          (int)(last->key >> CHARGE_SHIFT) - CHARGE_OFFSET != c || last->cost - least > 3 * CHARGE_COST;
      if (!other && length < sizeof fits - 10)
        length += (size_t)snprintf(fits + length, sizeof fits - length, " %+d", c);
    }
  return tt_fail(TT_ERR_DATA,
                 "charge: no bond orders fit a total charge of %d (these would fit:%s; write charge=... into "
                 "the comment line)",
                 charge, fits);
}

static tt_status trace_back(work *w, int charge) {
  int32_t at = -1;
  for (size_t k = w->begin[w->step_count]; k < w->way_count; k++)
    if ((int)(w->ways[k].key >> CHARGE_SHIFT) - CHARGE_OFFSET == charge) at = (int32_t)k;
  if (at < 0) return no_such_charge(w, charge);
  for (size_t k = w->step_count; k-- > 0; at = w->ways[at].from) {
    const step *s = &w->steps[k];
    if (s->what == TAKE)
      w->bonds->charges[s->which] = states_of(w->numbers[s->which])[w->ways[at].choice].charge;
    else if (s->what == BOND)
      w->bonds->bonds[s->which].order = (uint8_t)(1 + w->ways[at].choice);
  }
  return TT_OK;
}

static tt_status list_neighbours(work *w) {
  for (uint32_t i = 0; i < w->bonds->atoms; i++)
    if (!states_of(w->numbers[i]))
      return tt_fail(TT_ERR_DATA, "bonds: atom %u is of an element whose bonds are not perceived (use SDF)",
                     i + 1);
  for (uint32_t k = 0; k < w->bonds->count; k++) {
    const uint16_t ends[2] = {w->bonds->bonds[k].first, w->bonds->bonds[k].second};
    for (int e = 0; e < 2; e++) {
      if (w->degree[ends[e]] == TT_BONDS_MOST_NEIGHBOURS)
        return tt_fail(TT_ERR_DATA, "bonds: atom %u has too many neighbours", ends[e] + 1u);
      w->around[ends[e]][w->degree[ends[e]]++] = (uint16_t)k;
    }
  }
  return TT_OK;
}

static tt_status assign(work *w, int charge) {
  size_t atoms = w->bonds->atoms;
  TT_TRY(tt_alloc(&w->around, atoms, sizeof *w->around, "bonds"));
  TT_TRY(tt_alloc(&w->degree, atoms, 1, "bonds"));
  TT_TRY(tt_alloc(&w->slot_of, atoms, 1, "bonds"));
  TT_TRY(tt_alloc(&w->taken, atoms, sizeof *w->taken, "bonds"));
  TT_TRY(tt_alloc(&w->bonds->charges, atoms, 1, "bonds"));
  TT_TRY(list_neighbours(w));
  TT_TRY(order_steps(w));
  TT_TRY(tt_alloc(&w->begin, w->step_count + 2, sizeof *w->begin, "bonds"));
  TT_TRY(find_ways(w));
  return trace_back(w, charge);
}

tt_status tt_bonds_assign(const uint8_t *numbers, int charge, tt_bonds *bonds) {
  work w = {.numbers = numbers, .bonds = bonds};
  tt_status status = assign(&w, charge);
  free(w.around), free(w.degree), free(w.slot_of), free(w.taken);
  free(w.steps), free(w.ways), free(w.begin), free(w.table);
  return status;
}
