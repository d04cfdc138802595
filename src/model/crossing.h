// Bytes that a rank of a tensor group sends to the others in a pass over a piece: pure functions of its rows,
// equal to what comm/traffic.h counts.
#ifndef TT_MODEL_CROSSING_H
#define TT_MODEL_CROSSING_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

// own, all: token rows of this rank and of the group's piece (TT_TRAFFIC_TOKENS). `backward`: of a training
// pass, else of an evaluation. 0 with one rank.
int64_t tt_crossing_tokens(const tt_model_config *config, int ranks, int64_t own, int64_t all, bool backward);

// own, all: pair rows (TT_TRAFFIC_BIAS). The ranks divide the heads evenly.
int64_t tt_crossing_bias(const tt_model_config *config, int ranks, int64_t own, int64_t all, bool backward);

#endif
