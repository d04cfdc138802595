// Writing the checkpoints of a run, all ranks together, in one of two ways with the same bytes
// (train.checkpoint_writer).
//
// direct: rank 0 makes the file, each rank copies what it owns and goes on training while a thread writes,
// syncs and digests the copy; when the threads of all ranks are done, rank 0 writes the front and renames the
// file. Training waits for the copy only. collective: parallel HDF5, training waits for all of it.
#ifndef TT_TRAIN_SAVER_H
#define TT_TRAIN_SAVER_H

#include "comm/comm.h"
#include "config/config.h"
#include "train/checkpoint.h"
#include "train/checkpoint_values.h"

typedef struct tt_saver tt_saver;

// What became of a save, in seconds: of the parts in the threads, the slowest rank's.
typedef struct {
  const char *path;
  const char *writer; // "direct" or "collective"
  int64_t step, bytes;
  double create;              // rank 0 makes the file
  double copy;                // of what a rank owns
  double write, digest, sync; // of the copy
  double finish;              // the front, its sync and the rename
  double waited;              // of all this, how long training stood still
  double total;               // from the begin to the end
} tt_save_report;

// Collective over `ranks`, all of the job. *share, its parameters and its arrays must outlive the saver.
// `folder` is where the checkpoints go: its file system decides what TT_WRITER_AUTO is. TT_ERR_UNSUPPORTED
// when the writer is not in this build. No memory is taken yet.
tt_status tt_saver_create(tt_saver **saver, const tt_comm *ranks, const tt_checkpoint_share *share,
                          tt_checkpoint_writer writer, const char *folder);

// Not collective. A save that is not finished is given up; its file goes.
void tt_saver_free(tt_saver *saver);

// Collective. Begins to save the state as it is now under `path`. The first one takes the memory for the copy
// (12 bytes an element that the rank owns). Not while another save is pending.
tt_status tt_saver_begin(tt_saver *saver, const char *path, const tt_progress_state *state);

bool tt_saver_pending(const tt_saver *saver);

// Collective, while a save is pending. *ready: all ranks have written all, and tt_saver_finish is to be
// called; with `wait` that is waited for. A write that failed on some rank (disk full...) is everybody's
// error, the file is gone and nothing is pending any more.
tt_status tt_saver_poll(tt_saver *saver, bool wait, bool *ready);

// Collective, once it is ready: the file gets its front and its name.
tt_status tt_saver_finish(tt_saver *saver, tt_save_report *report);

#endif
