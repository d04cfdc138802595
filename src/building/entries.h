// What the first pass of a build finds and the second one works from: usable molecules by their canonical
// SMILES.
#ifndef TT_BUILDING_ENTRIES_H
#define TT_BUILDING_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "store/plan.h"

// Followed by its coordinates (conformers, atoms, 3) and its SMILES with a terminating 0, together
// tt_entry_bytes. No pointers: lists of them go to files and come back.
typedef struct {
  uint64_t key;    // keyed hash of the SMILES
  uint64_t number; // with `file`: where it is from, unlike that of any other
  uint32_t file;
  uint32_t conformers, atoms; // both 0: coordinates are still to be made
  uint32_t smiles_length;
} tt_entry;

static inline const float *tt_entry_coordinates(const tt_entry *e) {
  return (const float *)(e + 1);
}

static inline size_t tt_entry_floats(const tt_entry *e) {
  return (size_t)3 * e->conformers * e->atoms;
}

static inline const char *tt_entry_smiles(const tt_entry *e) {
  return (const char *)(tt_entry_coordinates(e) + tt_entry_floats(e));
}

static inline size_t tt_entry_bytes(const tt_entry *e) { // a multiple of 8
  return (sizeof *e + tt_entry_floats(e) * sizeof(float) + e->smiles_length + 1 + 7) / 8 * 8;
}

typedef struct {
  char *bytes;
  size_t used, capacity;
  uint64_t count;
} tt_entry_list;

static inline const tt_entry *tt_entry_at(const tt_entry_list *list, size_t at) {
  return (const tt_entry *)(const void *)(list->bytes + at);
}

// coordinates: (conformers, atoms, 3); with 0 conformers, atoms counts as 0 too.
tt_status tt_entries_add(tt_entry_list *list, uint64_t key, uint32_t file, uint64_t number,
                         const char *smiles, const float *coordinates, uint32_t conformers, uint32_t atoms);

// A copy of one.
tt_status tt_entries_append(tt_entry_list *list, const tt_entry *entry);

// Whether bytes from a file, at `entry` and `left` of them, begin with an entry of one of `files` files.
bool tt_entry_sound(const tt_entry *entry, size_t left, uint32_t files);

void tt_entries_free(tt_entry_list *list);

// The entries by split, then key, SMILES (the same molecules side by side, those with coordinates first),
// file and number: an order that does not depend on how they came. *sorted: `list->count` pointers into the
// list; free() it.
tt_status tt_entries_sort(const tt_shard_plan *plan, const tt_entry_list *list, const tt_entry ***sorted);

bool tt_entries_same_molecule(const tt_entry *a, const tt_entry *b);

#endif
