// New stores from old ones: merged, split anew, sampled by scaffold. The inputs are read, never changed.
//
// They must be in the order of the keys, as 'twotrack store build' and these functions make them; others are
// refused by name. First the keys are read (16 bytes a molecule), which decides everything and finds such
// stores before anything is written; then store/rewrite.h writes. The result is the same, byte for byte, for
// any number of ranks. rejected.tsv is not carried over; DIR/origin.json says what was made from what.
//
// Memory on a rank: see store/rewrite.h, and for each molecule of the input, divided by the number of ranks:
// merge nothing, split 8 bytes; sample 16 bytes while it chooses (the ranks have whole scaffolds, so that the
// one with the molecules without a ring has those besides), then 8 bytes a chosen one, twice that while these
// are sent to the ranks that make their shards. (884 million molecules, 8 ranks: 1.8 GB for 'sample'.)
#ifndef TT_DERIVE_DERIVE_H
#define TT_DERIVE_DERIVE_H

#include "derive/race.h"
#include "derive/rewrite.h"

typedef struct {
  const char *const *stores; // (count) folders
  uint32_t count;            // 1 but for merge
  const char *folder;        // of the new store
  uint32_t shards;           // of its training split; 0: by the number of molecules
} tt_derive_options;

typedef struct {
  uint64_t read[2];                 // molecules of the inputs' splits
  uint64_t moved;                   // merge: molecules that one input trains on and another validates with
  tt_scaffold_counts before, after; // sample: training molecules
  tt_rewrite_summary written;
} tt_derive_summary;

// All three are collective, give the same *summary on all ranks, and print their errors once. Errors: those
// of tt_store_open, tt_key_runs_open and tt_rewrite_run.

// Molecules of all stores, each once: the same SMILES is the same molecule. It has the graph of the first
// store that has it and the distinct conformers of all, in the order of the stores; and it is validation if
// it is so in any of them. (By key: of two molecules with one key, which 884 million may have once in fifty
// stores, both are.) TT_ERR_ARGUMENT: stores that differ in hydrogens, 2-D coordinates or seed.
tt_status tt_store_merge(const tt_comm *comm, const tt_derive_options *options, tt_derive_summary *summary);

// All molecules of a store; those `valid` with the smallest hashes of key and seed become its validation, all
// others are for training, whatever they were before. The hash is as good as drawing lots, and a larger
// number has the smaller one's molecules. TT_ERR_ARGUMENT: not fewer than there are molecules.
tt_status tt_store_split(const tt_comm *comm, const tt_derive_options *options, uint64_t valid, uint64_t seed,
                         tt_derive_summary *summary);

// `race->count` of the training molecules of a store (store/race.h), and all of its validation.
tt_status tt_store_sample(const tt_comm *comm, const tt_derive_options *options, const tt_race *race,
                          tt_derive_summary *summary);

#endif
