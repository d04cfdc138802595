#include "core/philox.h"
#include "store/lanes.h"

// A Feistel network on the smallest power of two that holds n: the bits of i are cut in two, and each round
// adds a Philox word, drawn from one half, to the other (exclusive or). Values that fall outside 0..n-1 go
// through again (cycle walking): fewer than two passes on average.
enum { ROUNDS = 8 };

typedef struct {
  int low_bits;
  uint64_t low, high; // masks: low half, high half moved down
} halves;

static halves cut(uint64_t n) {
  int bits = n > 1 ? 64 - __builtin_clzll(n - 1) : 0, low_bits = (bits + 1) / 2;
  return (halves){low_bits, (1ull << low_bits) - 1, (1ull << (bits - low_bits)) - 1};
}

static uint64_t scramble(uint64_t key, halves h, uint64_t i, int round, int step) {
  uint64_t low = i & h.low, high = i >> h.low_bits;
  for (int k = 0; k < ROUNDS; k++, round += step) {
    if (round % 2 == 0)
      high ^= tt_philox(key, (uint32_t)low, (uint32_t)round, 0, 0).v[0] & h.high;
    else
      low ^= tt_philox(key, (uint32_t)high, (uint32_t)round, 0, 0).v[0] & h.low;
  }
  return high << h.low_bits | low;
}

uint64_t tt_permute(uint64_t key, uint64_t n, uint64_t i) {
  halves h = cut(n);
  do i = scramble(key, h, i, 0, 1);
  while (i >= n);
  return i;
}

uint64_t tt_permute_inverse(uint64_t key, uint64_t n, uint64_t i) {
  halves h = cut(n);
  do i = scramble(key, h, i, ROUNDS - 1, -1);
  while (i >= n);
  return i;
}
