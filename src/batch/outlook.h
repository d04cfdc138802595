// What the global batches of a run will hold, told by one process: no ranks, no masks, no noise. For plans.
#ifndef TT_BATCH_OUTLOOK_H
#define TT_BATCH_OUTLOOK_H

#include "config/config.h"
#include "store/store.h"

// Which of `ranks` ranks reads sample s of a run with so many lanes.
static inline int tt_sample_reader(uint64_t sample, uint64_t lanes, int ranks) {
  return (int)(sample % lanes % (uint64_t)ranks);
}

// Samples first .. first + count - 1 of the run: their atoms, and their bytes on the way from the rank that
// reads one to another. Reads the chunks that they are in. Errors as tt_loader_create's and
// tt_store_read_chunk's.
tt_status tt_outlook(tt_store *store, const tt_config *config, uint64_t first, int count, int32_t *atoms,
                     int64_t *bytes);

// The bytes that a molecule like this would take.
int64_t tt_outlook_bytes(const tt_molecule *molecule);

// Bytes with which a rank announces one molecule that it has read to each other rank.
int64_t tt_outlook_announcement(void);

#endif
