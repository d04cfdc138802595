// What this rank has sent to other ranks, by what it was for. One counter is on at a time, like the stopwatch
// of an update's parts: whoever is about to exchange something says what it is.
//
// Counted is payload, each message as if it went straight to the rank that it is for, whatever way the MPI
// library takes; not counted is what a rank keeps for itself, nor what ranks only tell each other to stay
// together: agreements, barriers, broadcasts, tables of counts.
#ifndef TT_COMM_TRAFFIC_H
#define TT_COMM_TRAFFIC_H

#include <stdint.h>

typedef enum {
  TT_TRAFFIC_OTHER,     // building a store, comparing the ranks, checkpoints
  TT_TRAFFIC_RECORDS,   // molecules on their way to the ranks that compute them, and their sizes
  TT_TRAFFIC_LOSSES,    // of molecules
  TT_TRAFFIC_GRADIENTS, // to the owners of the parameters
  TT_TRAFFIC_NORMS,     // sums of squares of the blocks of the gradient
  TT_TRAFFIC_WEIGHTS,   // from the owners of the parameters
  TT_TRAFFIC_TOKENS,    // rows of the atom track within a tensor group
  TT_TRAFFIC_BIAS,      // attention bias within a tensor group
  TT_TRAFFIC_KINDS
} tt_traffic_kind;

typedef struct {
  int64_t sent[TT_TRAFFIC_KINDS]; // bytes since the start, or since somebody cleared them
  tt_traffic_kind now;
} tt_traffic;

const char *tt_traffic_name(tt_traffic_kind kind); // "attention bias"

#endif
