// The checks of launches, and shared memory.
#include "emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <vector>

#include "block.h"
#include "cuda/cuda.h"
#include "streams.h"

#include "core/philox.h"

// A GPU's limits (compute capability 8.0 and up).
enum { MOST_THREADS = 1024, MOST_THREADS_Z = 64, MOST_BLOCKS_YZ = 65535 };

namespace {

uint64_t seed_of(uint64_t launch, uint64_t block) {
  static uint64_t seed;
  static bool known;
  if (!known) {
    const char *text = getenv("TT_EMULATE_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : 1;
    known = true;
  }
  return tt_stream(seed, launch, block);
}

void check(const tt_emulated_launch &l) {
  char what[256];
  uint64_t threads = static_cast<uint64_t>(l.threads.x) * l.threads.y * l.threads.z;
  if (threads == 0 || threads > MOST_THREADS || l.threads.z > MOST_THREADS_Z)
    snprintf(what, sizeof what, "a block of (%u, %u, %u) threads", l.threads.x, l.threads.y, l.threads.z);
  else if (l.bound != 0 && threads > l.bound)
    snprintf(what, sizeof what, "a block of %u threads, but the kernel is compiled for at most %u",
             static_cast<unsigned>(threads), l.bound);
  else if (l.blocks.x > 0x7fffffffu || l.blocks.y > MOST_BLOCKS_YZ || l.blocks.z > MOST_BLOCKS_YZ)
    snprintf(what, sizeof what, "a grid of (%u, %u, %u) blocks", l.blocks.x, l.blocks.y, l.blocks.z);
  else if (l.shared > TT_MOST_SHARED)
    snprintf(what, sizeof what, "%zu bytes of shared memory", l.shared);
  else
    return;
  tt_emulated_current = &l;
  tt_emulated_error(what);
}

} // namespace

// Static shared memory of all kernels; from the linker, where there is any.
extern "C" {
extern char __start_tt_shared[] __attribute__((weak));
extern char __stop_tt_shared[] __attribute__((weak));
}

static void run(const tt_emulated_launch &l, uint64_t number) {
  uint64_t blocks = static_cast<uint64_t>(l.blocks.x) * l.blocks.y * l.blocks.z;
  tt_emulated_order order = tt_emulated_draw_order(blocks, seed_of(number, 0));
  if (__start_tt_shared != NULL)
    memset(__start_tt_shared, 0xff, static_cast<size_t>(__stop_tt_shared - __start_tt_shared));
  for (uint64_t i = 0; i < blocks; i++) {
    uint64_t b = tt_emulated_place(order, i);
    // exactly as long as it is said to be, so that the address sanitizer sees what lies beyond
    if (l.shared > 0) {
      if (posix_memalign(&tt_emulated_dynamic, 128, l.shared) != 0) abort();
      memset(tt_emulated_dynamic, 0xff, l.shared);
    }
    dim3 block(static_cast<unsigned>(b % l.blocks.x), static_cast<unsigned>(b / l.blocks.x % l.blocks.y),
               static_cast<unsigned>(b / l.blocks.x / l.blocks.y));
    tt_emulated_block(l, block, seed_of(number, i + 1));
    if (l.shared > 0) free(tt_emulated_dynamic);
    tt_emulated_dynamic = NULL;
  }
}

unsigned tt_emulated_bound(const void *kernel) {
#if defined(__x86_64__)
  const unsigned char *code = static_cast<const unsigned char *>(kernel);
  static const unsigned char landing[] = {0xf3, 0x0f, 0x1e, 0xfa}; // endbr64, of -fcf-protection
  if (memcmp(code, landing, sizeof landing) == 0) code += sizeof landing;
  unsigned warps = 0;
  while (warps < 32 && code[warps] == 0x90) warps++;
  return warps * 32;
#else
  (void)kernel;
  return 0;
#endif
}

void tt_emulated_queue(const tt_launch_place &place, unsigned bound, dim3 blocks, dim3 threads, size_t shared,
                       std::function<void()> body) {
  static uint64_t launches;
  uint64_t number = launches++;
  tt_emulated_launch l = {place.kernel, place.file, place.line, bound, blocks, threads, shared, body};
  check(l);
  tt_emulated_queue_step(tt_cuda.stream, [l, number] { return run(l, number), true; });
}

void tt_emulated_check_argument(const tt_launch_place &place, const void *p) {
  if (p == NULL || tt_emulated_in_memory(p)) return;
  fprintf(stderr, "emulator: %s (launched at %s:%d) is given a pointer that is not to memory of the device\n",
          place.kernel, place.file, place.line);
  _Exit(70);
}
