#include "block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

#include "emulator.h"
#include "fibers.h"

#include "core/philox.h"

dim3 threadIdx, blockIdx, blockDim, gridDim;
void *tt_emulated_dynamic;
const tt_emulated_launch *tt_emulated_current;

namespace {

enum state { FRESH, READY, AT_BARRIER, AT_MEETING, ENDED };

struct thread {
  dim3 index;
  unsigned number;
  state now;
  tt_fiber *fiber;
  const char *file; // where it waits
  int line;
};

// What the lanes of a warp have brought, to this meeting and the one before.
struct warp {
  unsigned arrived, meeting;
  unsigned char brought[2][32][8];
};

std::vector<thread> threads;
std::vector<warp> warps;
thread *running;
unsigned at_barrier, ended;

void begin(void *argument) {
  (void)argument;
  tt_emulated_current->body();
}

void step(thread &t) {
  running = &t;
  threadIdx = t.index;
  if (t.now == FRESH) t.fiber = tt_fiber_take(begin, NULL);
  t.now = READY;
  if (!tt_fiber_resume(t.fiber)) return;
  t.now = ENDED;
  ended++;
}

void stuck() {
  for (thread &t : threads) {
    if (t.now != AT_BARRIER && t.now != AT_MEETING) continue;
    char what[512];
    threadIdx = t.index;
    if (t.now == AT_BARRIER)
      snprintf(what, sizeof what,
               "waits at the barrier of %s:%d for ever: of the block's %u threads %u have ended and %u wait "
               "elsewhere",
               t.file, t.line, static_cast<unsigned>(threads.size()), ended,
               static_cast<unsigned>(threads.size()) - ended - at_barrier);
    else
      snprintf(what, sizeof what,
               "waits for the other lanes of its warp for ever at %s:%d: %u of 32 have come", t.file, t.line,
               warps[t.number / 32].arrived);
    tt_emulated_error(what);
  }
  tt_emulated_error("no thread can go on");
}

} // namespace

void tt_emulated_error(const char *what) {
  fflush(stdout);
  if (tt_emulated_current == NULL)
    fprintf(stderr, "emulator: %s\n", what);
  else
    fprintf(stderr, "emulator: %s (launched at %s:%d), block (%u, %u, %u), thread (%u, %u, %u): %s\n",
            tt_emulated_current->kernel, tt_emulated_current->file, tt_emulated_current->line, blockIdx.x,
            blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z, what);
  fflush(stderr);
  _Exit(70);
}

tt_emulated_order tt_emulated_draw_order(uint64_t count, uint64_t seed) {
  tt_emulated_order order = {count, tt_mix64(seed) % count, tt_mix64(seed + 1) % count};
  if (order.step == 0) order.step = 1;
  for (;;) { // a step that shares no factor with the count comes to every place
    uint64_t a = order.step, b = count;
    while (b != 0) {
      uint64_t rest = a % b;
      a = b, b = rest;
    }
    if (a == 1) return order;
    order.step++;
  }
}

// Passes over the threads, in the drawn order, until all have ended.
void tt_emulated_block(const tt_emulated_launch &launch, dim3 block, uint64_t seed) {
  unsigned count = launch.threads.x * launch.threads.y * launch.threads.z;
  tt_emulated_current = &launch;
  blockIdx = block, blockDim = launch.threads, gridDim = launch.blocks;
  threads.resize(count), warps.resize((count + 31) / 32);
  for (unsigned i = 0; i < count; i++)
    threads[i] = thread{dim3(i % launch.threads.x, i / launch.threads.x % launch.threads.y,
                             i / launch.threads.x / launch.threads.y),
                        i,
                        FRESH,
                        NULL,
                        NULL,
                        0};
  for (warp &w : warps) w.arrived = w.meeting = 0;
  at_barrier = ended = 0;
  tt_emulated_order order = tt_emulated_draw_order(count, seed);
  while (ended < count) {
    bool moved = false;
    for (unsigned i = 0; i < count; i++) {
      thread &t = threads[tt_emulated_place(order, i)];
      if (t.now != FRESH && t.now != READY) continue;
      step(t);
      moved = true;
    }
    if (!moved) stuck();
  }
  tt_emulated_current = NULL;
}

void tt_emulated_barrier(const char *file, int line) {
  thread &t = *running;
  t.now = AT_BARRIER, t.file = file, t.line = line;
  if (++at_barrier < threads.size()) {
    tt_fiber_pause();
    return;
  }
  for (thread &other : threads) {
    if (other.line != line || strcmp(other.file, file) != 0) {
      char what[512];
      snprintf(what, sizeof what, "is at the barrier of %s:%d while thread (%u, %u, %u) is at that of %s:%d",
               file, line, other.index.x, other.index.y, other.index.z, other.file, other.line);
      tt_emulated_error(what);
    }
    other.now = READY;
  }
  at_barrier = 0;
  tt_fiber_pause(); // the last to come is not the first to go on
}

unsigned tt_emulated_lane(void) {
  return running->number % 32;
}

const void *tt_emulated_meet(const void *value, size_t bytes, unsigned from, const char *file, int line) {
  thread &t = *running;
  warp &w = warps[t.number / 32];
  unsigned meeting = w.meeting, lane = t.number % 32;
  memcpy(w.brought[meeting % 2][lane], value, bytes);
  t.now = AT_MEETING, t.file = file, t.line = line;
  if (++w.arrived == 32) {
    thread *first = &threads[t.number - lane];
    for (unsigned l = 0; l < 32; l++) {
      if (first[l].line != line || strcmp(first[l].file, file) != 0) {
        char what[512];
        snprintf(what, sizeof what, "meets its warp at %s:%d while lane %u is at %s:%d", file, line, l,
                 first[l].file, first[l].line);
        tt_emulated_error(what);
      }
      first[l].now = READY;
    }
    w.arrived = 0, w.meeting++;
  }
  tt_fiber_pause();
  return w.brought[meeting % 2][from % 32];
}
