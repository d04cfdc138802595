// A thread that writes a rank's share of a checkpoint while training goes on. It calls neither MPI nor HDF5.
#ifndef TT_TRAIN_WRITER_THREAD_H
#define TT_TRAIN_WRITER_THREAD_H

#include <pthread.h>

#include "train/checkpoint_values.h"

typedef struct {
  // to be set, and to stay, before the start
  tt_checkpoint_share share;  // a copy that nobody changes
  const char *path;           // of the file, which is there
  const int64_t *at;          // where its tensors begin
  tt_element_digest *digests; // zeroes; when it is done, those of the share
  // after tt_writer_thread_join
  tt_checkpoint_seconds seconds;
  double sync_seconds;
  // private
  pthread_t thread;
  bool started;
  atomic_bool done, failed, stop;
  tt_status status;
  char message[1024];
} tt_writer_thread;

// Writes, syncs and closes the file; here and now where the system gives no thread.
void tt_writer_thread_start(tt_writer_thread *w);

// Whether it is over; it has then failed or not.
bool tt_writer_thread_is_done(tt_writer_thread *w);
bool tt_writer_thread_has_failed(tt_writer_thread *w);

// Waits for it; with `stop` not longer than for what it has in hand. Its error is then the caller's.
tt_status tt_writer_thread_join(tt_writer_thread *w, bool stop);

#endif
