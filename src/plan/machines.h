// What a rank computes on and how ranks are connected: the figures that a plan takes for granted.
#ifndef TT_PLAN_MACHINES_H
#define TT_PLAN_MACHINES_H

#include <stdbool.h>

#include "core/status.h"

typedef struct {
  const char *name, *description;
  bool gpu;             // the planned CUDA backend; else this program as it is
  double memory;        // bytes that a rank has (cpu: its part of this machine's)
  double flops;         // peak of dense products, a second and rank: bf16 operands; cpu: fp32
  double fraction;      // of it that an update's products are taken to reach
  double bandwidth;     // of its memory, bytes/s
  int node;             // ranks a node; 0: all of them
  double link, network; // bytes/s that one rank sends at most: within its node, to other nodes
  double host;          // bytes/s from its memory to a snapshot
  double disk;          // bytes/s that one node writes to the shared file system
  double fixed;         // bytes of a process without any model: libraries, contexts, MPI or NCCL
  const char *source;
} tt_machine;

// What is taken for granted of every machine.
#define TT_PLAN_LINK_SHARE 0.8    // of a link's nominal bandwidth that large messages reach
#define TT_PLAN_LATENCY 20e-6     // seconds that a collective call takes beside its bytes, and
#define TT_PLAN_LATENCY_RANK 1e-6 // for each rank in it

// The machine of this name for `ranks` ranks. TT_ERR_ARGUMENT, with the names that there are.
tt_status tt_machine_find(const char *name, int ranks, tt_machine *machine);

// Name k, or NULL past the last.
const char *tt_machine_name(int k);

#endif
