// A program built without nvcc: there is no CUDA backend, and it says so.
#include "device/cuda.h"

#include <stdio.h>

bool tt_cuda_built_in(void) {
  return false;
}

bool tt_cuda_available(char *why, size_t n) {
  snprintf(why, n, "this program was built without CUDA (no nvcc was found, or -Dcuda=disabled)");
  return false;
}

tt_status tt_cuda_start(int local_rank) {
  (void)local_rank;
  char why[128];
  tt_cuda_available(why, sizeof why);
  return tt_fail(TT_ERR_UNSUPPORTED, "%s; train.device = \"cpu\" uses the processor", why);
}

const tt_ops *tt_ops_cuda(tt_precision precision) {
  (void)precision;
  tt_cuda_start(0);
  return NULL;
}

const tt_queues *tt_cuda_queues(void) {
  return NULL;
}

bool tt_cuda_describe(tt_cuda_device *device) {
  (void)device;
  return false;
}

bool tt_cuda_memory_use(tt_cuda_memory *memory) {
  (void)memory;
  return false;
}

void tt_cuda_range(const char *name) {
  (void)name;
}
