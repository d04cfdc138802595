#include "core/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *aligned(size_t bytes) {
  void *p = NULL;
  return posix_memalign(&p, 64, bytes ? bytes : 64) == 0 ? p : NULL;
}

tt_status tt_alloc(void *pointer, size_t count, size_t size, const char *what) {
  size_t bytes;
  void *p = NULL;
  if (!__builtin_mul_overflow(count, size, &bytes)) p = aligned(bytes);
  memcpy(pointer, &p, sizeof p);
  if (!p)
    return tt_fail(TT_ERR_MEMORY,
                   "out of memory: %s needs %zu x %zu bytes; use fewer or smaller pieces "
                   "(train.max_pairs, model size) or more memory",
                   what, count, size);
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
  if (!__builtin_mul_overflow(wanted, size, &bytes)) p = aligned(bytes);
  if (!p) return tt_fail(TT_ERR_MEMORY, "out of memory: %s needs %zu x %zu bytes", what, wanted, size);
  if (old) memcpy(p, old, *capacity * size);
  free(old);
  memcpy(pointer, &p, sizeof p);
  *capacity = wanted;
  return TT_OK;
}
