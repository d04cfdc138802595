// What one rank's share of a run takes in memory, from the configuration and the layout alone: no MPI, no
// arrays. The trainer allocates exactly this (tt_trainer_init), so that a plan can be trusted.
#ifndef TT_TRAIN_MEMORY_H
#define TT_TRAIN_MEMORY_H

#include <stdint.h>

#include "config/config.h"
#include "core/status.h"

typedef struct {
  int64_t weights; // all that the rank's tensor place holds, as the model computes with them (fp32)
  int64_t masters; // of all that it holds, where `weights` are copies rounded for products: 0 in fp32, and on
                   // a CPU, which rounds operands on their way into a product
  int64_t moments; // both, of what it owns (fp32)
  int64_t gradients; // the arrays of the tree over its leaves, log2(leaves) + 1 of them (fp32)
  int64_t exchange;  // where other ranks' gradients arrive
  int64_t snapshot;  // copy of weights and moments of what it owns, from the first checkpoint on (fp32); none
                     // with the collective writer on a CPU
  int64_t tables;    // decay flags of what it owns; sums of squares of the gradient's blocks
} tt_trainer_memory; // bytes

// Of world rank `rank` among data x tensor ranks (place in the mesh: comm/mesh.h). TT_ERR_CONFIG when the
// layout does not fit the configuration; TT_ERR_MEMORY.
tt_status tt_trainer_memory_plan(const tt_config *config, int data, int tensor, int rank,
                                 tt_trainer_memory *memory);

// The plan is for a processor; this makes it one for a device with products in bf16.
void tt_trainer_memory_round(tt_trainer_memory *memory);

int64_t tt_trainer_memory_sum(const tt_trainer_memory *memory);

#endif
