// What one rank takes in memory under a layout, kind by kind.
#ifndef TT_PLAN_MEMORY_H
#define TT_PLAN_MEMORY_H

#include "plan/load.h"
#include "plan/machines.h"
#include "train/memory.h"

// Bytes of the rank that takes most.
typedef struct {
  tt_trainer_memory state;  // weights, masters, moments, gradients, exchange, snapshot, tables
  int64_t activations_most; // of a piece of train.max_pairs pair rows (or of the largest molecule)
  int64_t pairs_most;       // pair rows of that piece
  int64_t activations;      // of the largest piece of the plan's batches
  int64_t scratch;          // of the operations
  int64_t batch;            // samples, records, the packed piece
  int64_t fixed;            // the process without all that
  bool snapshot_apart;      // a checkpoint's snapshot is in the host's memory
  int64_t most, expected; // sums: with activations_most and a snapshot that is not apart; with `activations`
                          // and none
} tt_plan_memory;

// TT_ERR_MEMORY, TT_ERR_CONFIG.
tt_status tt_plan_memory_make(tt_plan_memory *memory, const tt_config *config, const tt_machine *machine,
                              const tt_layout *layout, const tt_molecules *molecules, const tt_load *load);

#endif
