#include "device/host_memory.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

void *tt_host_allocate(size_t bytes) {
  return tt_memory_aligned(bytes);
}

void tt_host_release(void *memory) {
  free(memory);
}

void tt_host_copy(const void *from, size_t bytes, void *to) {
  if (bytes > 0) memcpy(to, from, bytes);
}

void tt_host_wait(void) {}

void tt_host_weights_changed(const float *weights, int64_t count) {
  (void)weights, (void)count;
}
