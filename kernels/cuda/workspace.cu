#include "workspace.h"
#include "operations.h"

static const size_t LEAST = 1 << 20;
static void *memory;
static size_t room;

size_t tt_cuda_workspace_room(void) {
  return room;
}

void *tt_cuda_workspace(size_t bytes) {
  if (bytes <= room) return memory;
  tt_cuda_release(memory);
  room = 0;
  size_t wanted = bytes < LEAST ? LEAST : bytes + bytes / 4;
  memory = tt_cuda_take(wanted, "temporary memory of an operation");
  room = wanted;
  return memory;
}
