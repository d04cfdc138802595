// An activation of the whole batch from the ranks of a tensor group, each of which sees its own part.
#ifndef TT_TESTS_GATHER_H
#define TT_TESTS_GATHER_H

#include "padded.h"

// Collective. `data`, rows and *dim as a probe gets them (model.h); of probabilities *dim becomes the heads
// of all ranks. What is returned is freed by the caller.
float *gather_probe(const tt_comm *group, const padded_batch *b, tt_probe_rows rows, int *dim,
                    const float *data);

#endif
