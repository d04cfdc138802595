// The parts of a step as ranges of NVTX, for a profiler (docs/gpu.md). Without one, a call is a test of a
// pointer.
#include "cuda.h"

#ifdef __CUDACC__
#include <nvtx3/nvToolsExt.h>

extern "C" void tt_cuda_range(const char *name) {
  static bool within;
  if (within) nvtxRangePop();
  within = name != NULL;
  if (within) nvtxRangePushA(name);
}
#else
extern "C" void tt_cuda_range(const char *name) {
  (void)name;
}
#endif
