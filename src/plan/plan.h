// What a configuration asks of a number of machines, and how to lay it out on them. Computed; nothing is run.
#ifndef TT_PLAN_PLAN_H
#define TT_PLAN_PLAN_H

#include "plan/machines.h"
#include "plan/memory.h"
#include "plan/molecules.h"
#include "plan/time.h"
#include "plan/traffic.h"

// The paper's pretraining: this many conformations, once each.
#define TT_PLAN_CONFORMATIONS 838e6

typedef struct {
  tt_layout layout;
  bool possible;    // a batch can be laid out so; else only `reason` is there
  bool fits;        // and it fits in a rank's memory
  char reason[600]; // why it is in its place in the list, or what exceeds what
  tt_plan_memory memory;
  tt_plan_traffic traffic;
  tt_plan_time time;
  double pieces;    // that a rank runs in an update
  double imbalance; // operations that all wait for over those of the mean rank
  double days;      // for TT_PLAN_CONFORMATIONS
} tt_plan_layout;

enum { TT_PLAN_LAYOUTS = 16 };

typedef struct {
  const tt_config *config;
  tt_machine machine;
  int ranks;
  int64_t parameters;
  const tt_molecules *molecules;
  double flops_executed, flops_reference; // of an update of train.batch_size of these molecules: 3 x forward
  int count, fitting;                     // layouts; those that fit
  tt_plan_layout list[TT_PLAN_LAYOUTS];   // best first: T = 1 wherever it fits, then by step time; then those
                                          // that do not fit
} tt_plan;

// `config`, `molecules` must outlive *plan. ranks: a power of two. TT_ERR_ARGUMENT, TT_ERR_MEMORY.
tt_status tt_plan_make(tt_plan *plan, const tt_config *config, const tt_machine *machine, int ranks,
                       const tt_molecules *molecules);

#endif
