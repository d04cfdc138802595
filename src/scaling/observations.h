// What a law is fitted to: loss against size, samples, steps and compute, with what a reader must be told
// about where the points come from.
#ifndef TT_SCALING_OBSERVATIONS_H
#define TT_SCALING_OBSERVATIONS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

// One point that a law is fitted to.
typedef struct {
  double size;    // N (M in the paper): parameters, or executed FLOPs of a molecule, as
                  // tt_observations.size_kind says
  double samples; // D: molecules seen (a table: its own unit, for instance tokens); NaN: unknown
  double steps;   // S: updates; NaN: unknown
  double flops;   // C: operations of the training so far; NaN: unknown
  double loss,
      loss_se; // loss_se: standard error of the loss over the molecules it was taken on; NaN: unknown
  int group;   // rows of one group (a run) are not independent of each other; 0 .. groups-1
} tt_observation;

// Whether two sizes are one: equal to a millionth, for a table may have rounded them. False for NaN.
static inline bool tt_same_size(double a, double b) {
  return fabs(a - b) <= 1e-6 * fmax(fabs(a), fabs(b));
}

typedef struct {
  tt_observation *rows; // [count]; rows of one run stand together, in the order of its steps
  size_t count;
  char (*group_names)[128]; // [groups]; a table without a column of runs: each row is its own group, "line 7"
  int groups;
  char source[256];    // "245 rows of chinchilla_245.csv", "26 runs"
  char size_kind[128]; // "all parameters", "parameters without embeddings", "executed FLOPs a molecule",
                       // "column Model Size"; the figure prints it
  char schedule[256];  // "constant learning rate, 50 warm-up steps"; "" when unknown; the figure prints it
  char chosen[512];    // which points count: "validation loss, steps from 500 on; no smoothing"
  char **cautions;     // [caution_count] sentences that report, JSON and figure repeat
  int caution_count;
} tt_observations;

// Adds a caution, printf-style; the same sentence is kept once. TT_ERR_MEMORY.
tt_status tt_observations_caution(tt_observations *observations, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Also of a struct that is all zero.
void tt_observations_free(tt_observations *observations);

#endif
