// What the first pass of a build finds and the second one works from: usable molecules by their canonical
// SMILES.
#ifndef TT_STORE_ENTRIES_H
#define TT_STORE_ENTRIES_H

#include <stdint.h>

#include "comm/comm.h"
#include "core/status.h"
#include "store/plan.h"

// Followed by its coordinates (atoms, 3) and its SMILES with a terminating 0. No pointers: ranks exchange the
// bytes.
typedef struct {
  uint64_t key;    // keyed hash of the SMILES
  uint64_t number; // where it is from, for the list of rejected records
  uint32_t file;
  uint32_t atoms; // with coordinates; 0: they are still to be made
  uint32_t smiles_length;
  uint32_t bytes; // of all this, a multiple of 8
} tt_entry;

static inline const float *tt_entry_coordinates(const tt_entry *e) {
  return (const float *)(e + 1);
}

static inline const char *tt_entry_smiles(const tt_entry *e) {
  return (const char *)(tt_entry_coordinates(e) + 3 * (size_t)e->atoms);
}

typedef struct {
  char *bytes;
  size_t used, capacity;
  uint64_t count;
} tt_entry_list;

tt_status tt_entries_add(tt_entry_list *list, uint64_t key, uint32_t file, uint64_t number,
                         const char *smiles, const float *coordinates, uint32_t atoms);
void tt_entries_free(tt_entry_list *list);

// Collective. Sends every entry to the rank that makes its shard: shard % ranks. Replaces *list, which keeps
// nothing of what it had.
tt_status tt_entries_share(const tt_comm *comm, const tt_shard_plan *plan, tt_entry_list *list);

// The entries by shard, then key, SMILES (the same molecules side by side, those with coordinates first),
// coordinates, file and number: an order that does not depend on how they came. *sorted: `list->count`
// pointers into the list; free() it.
tt_status tt_entries_sort(const tt_shard_plan *plan, const tt_entry_list *list, const tt_entry ***sorted);

#endif
