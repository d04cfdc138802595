#include "workspace.h"
#include "operations.h"

static const size_t LEAST = 1 << 20;

void *tt_cuda_workspace(size_t bytes) {
  static void *memory;
  static size_t room;
  if (bytes <= room) return memory;
  tt_cuda_release(memory);
  room = 0;
  size_t wanted = bytes < LEAST ? LEAST : bytes + bytes / 4;
  memory = tt_cuda_allocate(wanted, false);
  if (memory == NULL)
    tt_cuda_fail(__FILE__, __LINE__, "temporary memory of an operation", "the device has none left");
  room = wanted;
  return memory;
}
