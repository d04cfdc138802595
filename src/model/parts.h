// Where the time of an update goes: one stopwatch that is always in exactly one part.
#ifndef TT_MODEL_PARTS_H
#define TT_MODEL_PARTS_H

#include <stdbool.h>

#include "core/clock.h"
#include "core/position.h"

typedef enum {
  TT_PART_EMBEDDING, // embeddings and Gaussian kernel, forward and backward (as all of the model's parts)
  TT_PART_ATTENTION,
  TT_PART_ATOM_FFN,
  TT_PART_OUTER_PRODUCT,
  TT_PART_TRIANGLE,
  TT_PART_PAIR_FFN,
  TT_PART_HEADS,         // both heads and the losses
  TT_PART_GRADIENTS,     // clearing gradients and adding up the leaves
  TT_PART_OPTIMIZER,     // norm and Adam
  TT_PART_COMMUNICATION, // losses, gradients and weights between ranks
  TT_PART_DATA,          // the next batch: reading, exchange of records, masks, noise
  TT_PART_IMBALANCE,     // waiting for ranks that compute longer
  TT_PART_OTHER,         // packing, bookkeeping
  TT_PARTS
} tt_part;

typedef struct {
  double seconds[TT_PARTS];
  double since; // 0 until it is started
  tt_part now;
  // For what a part has queued on a device, whose time else counts where somebody waits; or NULL
  void (*wait)(void);
  void (*mark)(const char *part); // told of each part that begins, for a profiler; or NULL
  bool seldom; // wait only where computing begins or ends, so that what is computed stays queued up
} tt_stopwatch;

const char *tt_part_name(tt_part part); // "pair FFN"

// Whether the rank has something of its own to do, and is not at an exchange or waiting.
static inline bool tt_part_computes(tt_part part) {
  return part != TT_PART_COMMUNICATION && part != TT_PART_DATA && part != TT_PART_IMBALANCE;
}

// The time since the last call counts for the part that was running; `part` runs from here on, and is
// what the thread is at (core/position.h).
static inline void tt_part_begin(tt_stopwatch *watch, tt_part part) {
  if (watch->wait && (!watch->seldom || tt_part_computes(watch->now) != tt_part_computes(part)))
    watch->wait();
  double now = tt_now();
  if (watch->since > 0) watch->seconds[watch->now] += now - watch->since;
  watch->since = now;
  watch->now = part;
  tt_position_do(tt_part_name(part));
  if (watch->mark) watch->mark(tt_part_name(part));
}

#endif
