// Chunks of training data that could not be read and were left out (data.bad_chunks = "skip").
#ifndef TT_TRAIN_SKIPPED_H
#define TT_TRAIN_SKIPPED_H

#include "train/runlog.h"
#include "train/trainer.h"

// For the batch of the next update: adds the chunks that it leaves out to the state, so that checkpoints have
// them. On rank 0 also one line on stderr and one record in the log for each. The same chunks on every rank;
// what is returned is this rank's alone. TT_ERR_IO, TT_ERR_MEMORY.
tt_status tt_skipped_note(tt_trainer *trainer, const tt_store *store, const tt_global_batch *batch,
                          tt_runlog *log);

#endif
