#include "batch/paths.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "batch/batch.h"
#include "core/memory.h"

enum {
  MAX_HOPS = 508,
  SMALL = 128, // atoms up to which the table is grown, on the stack: 32 kB
  LANES = 8,   // its rows are padded to whole vectors
};

static size_t padded(size_t atoms) {
  return (atoms + LANES - 1) / LANES * LANES;
}

size_t tt_paths_memory(size_t atoms, size_t bonds) { // offsets, neighbours, queue
  return (atoms + 1) * sizeof(uint32_t) + (2 * bonds + atoms) * sizeof(uint16_t);
}

// Neighbours of atom a: neighbour[offset[a]] .. neighbour[offset[a + 1] - 1]; `earlier`: only those before a.
static void list_neighbours(int atoms, int bonds, const uint16_t *bond_atoms, bool earlier, uint32_t *offset,
                            uint16_t *neighbour) {
  memset(offset, 0, (size_t)(atoms + 1) * sizeof *offset);
  for (int k = 0; k < 2 * bonds; k++)
    if (!earlier || bond_atoms[k ^ 1] < bond_atoms[k]) offset[bond_atoms[k]]++;
  for (int a = 1; a <= atoms; a++) offset[a] += offset[a - 1]; // ends; filling moves them to the starts
  for (int k = 0; k < 2 * bonds; k++)
    if (!earlier || bond_atoms[k ^ 1] < bond_atoms[k]) neighbour[--offset[bond_atoms[k]]] = bond_atoms[k ^ 1];
}

// ---- small graphs
// -----------------------------------------------------------------------------------------------

// to[j] = min(to[j], from[j] + more). In whole vectors; signed because SSE2 has no unsigned minimum.
static inline void shorten(int16_t *to, const int16_t *from, int more, size_t width) {
  for (size_t j = 0; j < width; j += LANES)
    for (size_t k = j; k < j + LANES; k++) {
      int16_t way = (int16_t)(from[k] + more);
      to[k] = way < to[k] ? way : to[k];
    }
}

// The graph is grown atom by atom. The way from a new atom goes through one of its neighbours, whose ways are
// known; and a way between two old atoms becomes shorter only through the new one, when that has two
// neighbours or more: it closes a ring. Most atoms of a SMILES close none, so this is a few vector operations
// an atom, where a search from every atom is one unpredictable branch a bond. Exact for any order of the
// atoms.
static void grow(int atoms, int bonds, const uint16_t *bond_atoms, uint16_t *out, void *memory) {
  size_t n = (size_t)atoms, width = padded(n);
  int16_t table[SMALL * SMALL]; // hot from one molecule to the next, as the samples' own memory is not
  uint32_t *offset = memory;
  uint16_t *neighbour = (uint16_t *)(offset + n + 1);
  list_neighbours(atoms, bonds, bond_atoms, true, offset, neighbour);
  for (size_t k = 0; k < n * width; k++) table[k] = TT_PATH_UNREACHABLE;
  for (size_t v = 0; v < n; v++) {
    int16_t *row = table + v * width;
    for (uint32_t k = offset[v]; k < offset[v + 1]; k++)
      shorten(row, table + neighbour[k] * width, 1, width); // entries of atoms to come stay unreachable
    row[v] = 1;
    for (size_t i = 0; i < v; i++) table[i * width + v] = row[i];
    if (offset[v + 1] - offset[v] < 2) continue;
    for (size_t i = 0; i < v; i++) shorten(table + i * width, row, row[i] - 1, width);
  }
  for (size_t i = 0; i < n; i++) memcpy(out + i * n, table + i * width, n * sizeof *out);
}

// ---- large graphs
// -----------------------------------------------------------------------------------------------

// Breadth first from every atom.
static void search(int atoms, int bonds, const uint16_t *bond_atoms, uint16_t *out, void *memory) {
  uint32_t *offset = memory;
  uint16_t *neighbour = (uint16_t *)(offset + atoms + 1), *queue = neighbour + 2 * (size_t)bonds;
  list_neighbours(atoms, bonds, bond_atoms, false, offset, neighbour);
  for (int start = 0; start < atoms; start++) {
    uint16_t *path = out + (size_t)start * (size_t)atoms;
    for (int a = 0; a < atoms; a++) path[a] = TT_PATH_UNREACHABLE;
    path[start] = 1;
    queue[0] = (uint16_t)start;
    for (int head = 0, tail = 1; head < tail; head++) {
      int a = queue[head], next = path[a] + 1;
      if (next > MAX_HOPS + 1) break; // the queue's distances never fall
      for (uint32_t k = offset[a]; k < offset[a + 1]; k++) {
        uint16_t b = neighbour[k];
        if (path[b] != TT_PATH_UNREACHABLE) continue;
        path[b] = (uint16_t)next;
        queue[tail++] = b;
      }
    }
  }
}

void tt_paths_find(int atoms, int bonds, const uint16_t *bond_atoms, uint16_t *out, void *memory) {
  if (atoms <= SMALL)
    grow(atoms, bonds, bond_atoms, out, memory);
  else
    search(atoms, bonds, bond_atoms, out, memory);
}

tt_status tt_shortest_paths(int atoms, int bonds, const uint16_t *bond_atoms, uint16_t *out) {
  if (atoms < 1 || atoms > UINT16_MAX || bonds < 0)
    return tt_fail(TT_ERR_DATA, "a graph of %d atoms and %d bonds", atoms, bonds);
  for (int k = 0; k < 2 * bonds; k++)
    if (bond_atoms[k] >= atoms)
      return tt_fail(TT_ERR_DATA, "bond %d joins atom %d of a molecule of %d atoms", k / 2, bond_atoms[k],
                     atoms);
  void *memory;
  TT_TRY(tt_alloc(&memory, tt_paths_memory((size_t)atoms, (size_t)bonds), 1, "shortest paths"));
  tt_paths_find(atoms, bonds, bond_atoms, out, memory);
  free(memory);
  return TT_OK;
}
