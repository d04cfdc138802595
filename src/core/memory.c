#include "core/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LINE = 64, HUGE_PAGE = 2 << 20 };

// Large arrays ask for huge pages: with pages of 4 kB, first touching the activations of a piece costs as
// much as some layers, and a stride of a row misses the TLB. The system may decline.
void *tt_memory_aligned(size_t bytes) {
  bool large = bytes >= 2 * HUGE_PAGE;
  void *p = NULL;
  if (posix_memalign(&p, large ? HUGE_PAGE : LINE, bytes ? bytes : LINE) != 0) return NULL;
#ifdef MADV_HUGEPAGE
  if (large) (void)madvise(p, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
  return p;
}

static tt_status no_memory(const char *what, size_t count, size_t size) {
  return tt_fail(TT_ERR_MEMORY,
                 "out of memory: %s needs %zu x %zu bytes; use fewer or smaller pieces "
                 "(train.max_pairs, model size) or more memory",
                 what, count, size);
}

tt_status tt_alloc(void *pointer, size_t count, size_t size, const char *what) {
  size_t bytes;
  void *p = NULL;
  if (!__builtin_mul_overflow(count, size, &bytes)) p = tt_memory_aligned(bytes);
  memcpy(pointer, &p, sizeof p);
  if (!p) return no_memory(what, count, size);
  memset(p, 0, bytes);
  return TT_OK;
}

tt_status tt_reserve(void *pointer, size_t *capacity, size_t count, size_t size, const char *what) {
  if (count <= *capacity) return TT_OK;
  size_t wanted = *capacity + *capacity / 2;
  if (wanted < count) wanted = count;
  size_t bytes;
  void *old, *p = NULL;
  memcpy(&old, pointer, sizeof old);
  if (!__builtin_mul_overflow(wanted, size, &bytes)) p = tt_memory_aligned(bytes);
  if (!p) return no_memory(what, wanted, size);
  if (old) memcpy(p, old, *capacity * size);
  free(old);
  memcpy(pointer, &p, sizeof p);
  *capacity = wanted;
  return TT_OK;
}
