// Sampling by scaffold (Uni-Mol2, section 3.1): of N molecules, N_i have scaffold i, P_i = N_i / N, and a
// scaffold is drawn with p_i = softmax(P / T)_i, then a molecule of it; without replacement, a scaffold
// without molecules drops out. The paper does not say how it draws without replacement; this is the plain
// reading.
//
// Drawing one after the other would be one long chain. The same distribution comes from a race: the molecules
// of scaffold i arrive at the points of a Poisson process of rate p_i, in a keyed random order, and the first
// `count` to arrive are taken. (The next one to arrive is of scaffold i with probability p_i over the sum of
// the p of those with molecules left, whatever has happened before: independent exponential times.) Each
// arrival is a function of seed, scaffold and place in the order, so it does not matter which rank looks.
//
// Times are in logarithms, log(e_1 + ... + e_k) - P_i / T with exponential e: the softmax's denominator is
// the same for all, and no temperature overflows. Molecules without a ring share scaffold 0, which is one
// like any other.
#ifndef TT_DERIVE_RACE_H
#define TT_DERIVE_RACE_H

#include <stdint.h>

#include "comm/comm.h"
#include "core/status.h"

typedef struct {
  uint64_t scaffold;
  uint64_t order; // tt_race_order of the molecule's key
} tt_racer;

// The keyed random order of molecules, and the key back from it.
uint64_t tt_race_order(uint64_t key, uint64_t seed);
uint64_t tt_race_key(uint64_t order, uint64_t seed);

// The rank that holds all racers of a scaffold.
int tt_race_rank(const tt_comm *comm, uint64_t scaffold);

enum { TT_RACE_LARGEST = 5 };

typedef struct {
  uint64_t molecules, scaffolds, acyclic; // acyclic: molecules without a ring
  uint64_t squares;                       // sum of N_i^2; molecules^2 / squares is the effective number
  struct {
    uint64_t scaffold, molecules;
  } largest[TT_RACE_LARGEST]; // those of most molecules; of equal ones the smaller number first
} tt_scaffold_counts;

typedef struct {
  uint64_t seed, count; // molecules to take
  double temperature;   // > 0
} tt_race;

// Collective. `racers` (count): those of this rank's scaffolds, sorted (tt_words_sort, 2 words). Moves the
// ones taken to the front, *taken of them on this rank, race->count on all together. *before and *after are
// of all ranks. TT_ERR_ARGUMENT (fewer molecules than are asked for), TT_ERR_MEMORY.
tt_status tt_race_run(const tt_comm *comm, const tt_race *race, tt_racer *racers, size_t count, size_t *taken,
                      tt_scaffold_counts *before, tt_scaffold_counts *after);

#endif
