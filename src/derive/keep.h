// Molecules copied into memory of their own, until the shard that they are for is written; and records of one
// molecule from several stores made into one.
#ifndef TT_DERIVE_KEEP_H
#define TT_DERIVE_KEEP_H

#include <stddef.h>
#include <stdint.h>

#include "chem/molecule.h"
#include "core/status.h"

// Start from zeroes. What it gives out stays where it is until tt_keep_clear.
typedef struct {
  struct {
    char *data;
    size_t size;
  } * pieces_; // private, as all of it
  size_t count_, room_, at_, used_;
} tt_keep;

void tt_keep_clear(tt_keep *keep); // for the next shard; the memory is kept
void tt_keep_free(tt_keep *keep);

// TT_ERR_MEMORY.
tt_status tt_keep_molecule(tt_keep *keep, const tt_molecule *from, tt_molecule *to);

typedef struct {
  uint64_t joined;      // records that gave no molecule of their own
  uint64_t same;        // conformers left out because the molecule had them bit by bit
  uint64_t beyond;      // conformers left out because a molecule cannot have more (TT_COUNT_MOST)
  uint64_t other_graph; // records left out because the first one's graph is another (other version of RDKit)
} tt_unite_counts;

// Sorts records of one key by their SMILES; those of one SMILES stay in order.
void tt_keep_sort(tt_molecule *molecules, uint32_t count);

// Records of one key, sorted so: those of one SMILES become one molecule, with the graph of the first and the
// distinct conformers of all, in order, as many as a molecule may have. molecules[0 .. *left-1] are what is
// left. TT_ERR_MEMORY.
tt_status tt_keep_unite(tt_keep *keep, tt_molecule *molecules, uint32_t count, uint32_t *left,
                        tt_unite_counts *counts);

#endif
