// The chunks that the ranks leave out, told to all of them. Private to the batch room.
#ifndef TT_BATCH_SKIPS_H
#define TT_BATCH_SKIPS_H

#include "batch/assemble.h"

typedef struct {
  tt_skip *list; // (count)
  int count;
  size_t room_;
} tt_skips;

// Collective: *all becomes the list of all ranks' skips, of which this one has `count`, by place in the chunk
// sequence: the same on every rank, and for any number of them. All return the same status, not printed yet.
tt_status tt_skips_gather(const tt_comm *comm, const tt_skip *own, int count, tt_skips *all);

#endif
