// RUN/starts.jsonl: when, where and from which update a run was started, so that a batch system which starts
// it again and again does not do so for ever without getting on (docs/failures.md). Called by one rank.
#ifndef TT_TRAIN_STARTS_H
#define TT_TRAIN_STARTS_H

#include <stdint.h>

#include "core/status.h"

// How often a batch system has started this job again by itself: the greater of SLURM_RESTART_COUNT and
// TWOTRACK_RESTART in the environment; 0: this start was made by hand.
int tt_starts_automatic(void);

// Whether the run may start from update `step`: TT_ERR_DATA when this is an automatic start and the two
// before it began there as well, both automatic or the first by hand. A start by hand may always be made, and
// what was before it does not count any more. A line that is no record does not count. TT_ERR_IO.
tt_status tt_starts_check(const char *run, int64_t step);

// Notes the start, on the disk when this returns. The folder must be there. TT_ERR_IO.
tt_status tt_starts_note(const char *run, int64_t step, int ranks);

#endif
