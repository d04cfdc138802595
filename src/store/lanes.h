// The order of the training data, for ever (design: lanes). A pure function of (seed, store size, lanes).
//
// The chunk sequence is the concatenation over epochs of a keyed permutation of the chunks. Lane l takes
// positions l, l + lanes, ... of it. Within a chunk a keyed permutation orders the records. Sample s of the
// run (0-based, all batches strung together) is the (s / lanes)-th record of lane s % lanes. Neither ranks
// nor micro-batches enter.
#ifndef TT_STORE_LANES_H
#define TT_STORE_LANES_H

#include <stdint.h>

#include "core/status.h"

typedef struct {
  uint64_t seed, records, chunks, lanes;
} tt_lanes;

typedef struct {
  uint64_t epoch, chunk; // which chunk of the store, in which pass over it
  uint32_t slot;         // record within the chunk, already permuted
} tt_sample_place;

// TT_ERR_DATA unless chunks >= 4 * lanes; the message says which lane count fits.
tt_status tt_lanes_init(tt_lanes *lanes, uint64_t seed, uint64_t records, uint64_t chunks, uint64_t count);

// Where sample s is. O(epochs so far), no tables.
tt_sample_place tt_lanes_find(const tt_lanes *lanes, uint64_t sample);

// Bijection of 0..n-1 (Feistel network over Philox, cycle walking), and its inverse. n >= 1.
uint64_t tt_permute(uint64_t key, uint64_t n, uint64_t i);
uint64_t tt_permute_inverse(uint64_t key, uint64_t n, uint64_t i);

#endif
