// RUN/failures.jsonl: what made a run stop, so that a job which is started again and again does not fail on
// the same checkpoint for ever (docs/formats.md).
//
// Noted is what the program itself reports between its first validation and its end: numbers that are not
// finite, copies that differ, a damaged shard, a full disk. Not noted are errors before that, and what
// happens to the program: a kill, a node that goes down, an MPI call that fails because another rank is gone.
#ifndef TT_TRAIN_FAILURES_H
#define TT_TRAIN_FAILURES_H

#include <stdint.h>

#include "core/status.h"

// From now on the rank that reports an error (comm.h) notes it as well, in one write; where that fails, the
// disk being full, nothing is noted. *step: updates done, read when an error is reported; its value now is
// the checkpoint that the run starts from (0: none).
void tt_failures_watch(const char *run, int rank, const int64_t *step);
void tt_failures_end_watch(void);

// Whether a run may go on from the checkpoint of update `checkpoint` (0: start): TT_ERR_DATA when it has
// failed twice from there, with the last failure's message. A line that is no record does not count.
tt_status tt_failures_check(const char *run, int64_t checkpoint);

typedef struct {
  int count;         // of failures noted; 0: none
  int64_t step;      // updates done when the last one happened
  char message[400]; // the last one's, cut
} tt_failure;

// What a run's failures.jsonl tells. TT_ERR_IO when it is there and cannot be read.
tt_status tt_failures_last(const char *run, tt_failure *failure);

#endif
