// The thread that reads: in each lane of a rank the chunk in use and `read_ahead` more are ready, verified
// and decoded. Private to the batch room.
//
// Nothing it holds grows with the store. It calls neither MPI nor HDF5; the store is its own between
// tt_read_ahead_seek and tt_read_ahead_stop. Molecules are taken out by one other thread at a time.
#ifndef TT_BATCH_READ_AHEAD_H
#define TT_BATCH_READ_AHEAD_H

#include "batch/exchange.h"
#include "core/error.h"

enum { TT_UNREADABLE_IN_A_ROW = 3 }; // chunks of one lane: then the store is not damaged here and there

// What this rank reads of one batch. With an error the records are not complete. Start from a zeroed
// one; reusable.
typedef struct {
  tt_reading records;
  tt_error error;
  tt_skip *skips; // (skipped) chunks left out from here on
  int skipped;
  size_t skips_room_;
} tt_step_reading;

void tt_step_reading_free(tt_step_reading *reading);

typedef struct tt_read_ahead tt_read_ahead;

// For lanes rank, rank + size, ...; `lanes` must stay. skip_bad: chunks that are damaged or cannot be read
// are left out (data.bad_chunks), else they are errors. TT_ERR_MEMORY.
tt_status tt_read_ahead_create(tt_read_ahead **reader, tt_store *store, const tt_lanes *lanes,
                               const tt_comm *comm, int batch_size, int read_ahead, bool skip_bad);
void tt_read_ahead_free(tt_read_ahead *reader);

// Starts to read for batch `number` and those after it, with these cuts (copied). TT_ERR_MEMORY. Where the
// system gives no thread, chunks are read when they are taken.
tt_status tt_read_ahead_seek(tt_read_ahead *reader, int64_t number, const tt_lane_cuts *cuts);

// Takes out the molecules of the next batch, after those of `pass` batches that nobody wants: of these only
// the chunks that are left out count, so that the order after them is the same as if they had been used.
// Waits for chunks that are not there yet. After an error, or a tt_read_ahead_stop meanwhile, which leaves
// the reading incomplete, only a seek goes on.
void tt_read_ahead_take(tt_read_ahead *reader, int64_t pass, tt_step_reading *reading);

// Ends the thread, after the chunk in hand at the latest, and any waiting in tt_read_ahead_take.
void tt_read_ahead_stop(tt_read_ahead *reader);

#endif
