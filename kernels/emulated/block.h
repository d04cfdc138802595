// One block of a launch: its threads, in an order drawn from a seed, from barrier to barrier.
#ifndef TT_KERNELS_EMULATED_BLOCK_H
#define TT_KERNELS_EMULATED_BLOCK_H

#include <functional>
#include <stdint.h>

#include "runtime.h"

struct tt_emulated_launch {
  const char *kernel, *file;
  int line;
  unsigned bound;
  dim3 blocks, threads;
  size_t shared;
  std::function<void()> body;
};

// NULL while no kernel runs; for messages.
extern const tt_emulated_launch *tt_emulated_current;

void tt_emulated_block(const tt_emulated_launch &launch, dim3 block, uint64_t seed);

// A permutation of 0 .. count-1 (count > 0) drawn from a seed: where place i goes.
typedef struct {
  uint64_t count, step, start;
} tt_emulated_order;
tt_emulated_order tt_emulated_draw_order(uint64_t count, uint64_t seed);
static inline uint64_t tt_emulated_place(const tt_emulated_order &order, uint64_t i) {
  return (order.start + i * order.step) % order.count;
}

#endif
