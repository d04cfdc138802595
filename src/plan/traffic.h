// What an update sends between ranks, told beforehand: the bytes that tt_comm counts (comm/traffic.h), kind
// by kind.
#ifndef TT_PLAN_TRAFFIC_H
#define TT_PLAN_TRAFFIC_H

#include "comm/traffic.h"
#include "plan/load.h"
#include "plan/machines.h"

// Bytes in all of the plan's batches together, one update each.
typedef struct {
  int64_t sent[TT_TRAFFIC_KINDS];    // by all ranks
  int64_t largest[TT_TRAFFIC_KINDS]; // by the rank that sends most of this kind
  // The links: of what a rank sends, how much stays within its node and how much leaves it.
  int64_t leaves_node[TT_TRAFFIC_KINDS];                                      // of all ranks
  int64_t largest_within[TT_TRAFFIC_KINDS], largest_leaves[TT_TRAFFIC_KINDS]; // the largest rank's
  // For comparison: what a rank would send for the pair track alone if the group split that by channels, as
  // it does the atom track, in place of by molecules.
  int64_t by_channels;
} tt_plan_traffic;

// Nodes are filled in the order of the world's ranks. GPUs send weights and rows in bf16. TT_ERR_MEMORY.
tt_status tt_plan_traffic_make(tt_plan_traffic *traffic, const tt_config *config, const tt_layout *layout,
                               const tt_molecules *molecules, const tt_load *load, const tt_machine *machine);

#endif
