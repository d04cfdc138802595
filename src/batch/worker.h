// The thread that works for the coming batches while one trains: it makes the samples of the next one (masks,
// noise, alignment, shortest paths) and takes the molecules of the one after that from the chunks read ahead.
// It calls no MPI. Private to the batch room.
#ifndef TT_BATCH_WORKER_H
#define TT_BATCH_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "batch/exchange.h"
#include "batch/read_ahead.h"
#include "core/error.h"

typedef struct {
  // to be set before the start, and left alone until it is waited for
  tt_global_batch *batch;
  const tt_reading *reading;
  tt_incoming incoming; // its bytes are released here
  const tt_data_config *data;
  uint64_t seed;
  int rank;
  tt_read_ahead *reader;
  tt_step_reading *next; // what to take; NULL: nothing
  int64_t pass;          // batches to pass over before it
  // private
  pthread_t thread;
  bool under_way, started;
  atomic_bool done;
  tt_error error;
  double seconds; // where there is no thread
} tt_worker;

// Here and now where the system gives no thread.
void tt_worker_start(tt_worker *worker);

// Waits for it, adding the seconds; the error of the samples. TT_OK when nothing was started.
tt_status tt_worker_wait(tt_worker *worker, double *waited);

#endif
