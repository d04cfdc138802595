// Wall-clock seconds from a steady clock.
#ifndef TT_CORE_CLOCK_H
#define TT_CORE_CLOCK_H

#include <time.h>

static inline double tt_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
