// Reading a checkpoint, all ranks together: each its own share, whatever layout wrote the file.
#ifndef TT_TRAIN_CHECKPOINT_LOAD_H
#define TT_TRAIN_CHECKPOINT_LOAD_H

#include "comm/comm.h"
#include "train/checkpoint.h"
#include "train/checkpoint_values.h"

// Collective over `ranks`, all of the job. Rank 0 reads the structure and hands out the places; every rank
// reads what it owns; the digests are summed and compared; then the ranks exchange the weights. With moments
// NULL only the weights are read (also from a file that has more), and *state, which may then be NULL, all
// the same.
//
// All ranks return the same status and message, which nobody has printed: TT_ERR_CORRUPT when the file is
// broken (the first such tensor is named) or is none of ours, TT_ERR_FORMAT when it is of another model or
// lacks the moments, TT_ERR_UNSUPPORTED when it is of another version of the format, TT_ERR_IO. The arrays
// are then undefined. state->config is malloc'ed on rank 0, NULL on the others.
tt_status tt_checkpoint_load(const tt_comm *ranks, const char *path, const tt_checkpoint_share *share,
                             tt_progress_state *state);

#endif
