// Shortest paths of a molecule's graph. Private to the batch room; others use tt_shortest_paths.
#ifndef TT_BATCH_PATHS_H
#define TT_BATCH_PATHS_H

#include <stddef.h>
#include <stdint.h>

// Bytes of memory, aligned to 4, that tt_paths_find needs.
size_t tt_paths_memory(size_t atoms, size_t bonds);

// tt_shortest_paths with the caller's memory; bond_atoms must be in range. 1 to 65,535 atoms.
void tt_paths_find(int atoms, int bonds, const uint16_t *bond_atoms, uint16_t *out, void *memory);

#endif
