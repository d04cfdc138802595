// The device that this process uses: found, chosen, described.
#include "operations.h"

extern "C" {
#include "core/exit_codes.h"
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tt_cuda_state tt_cuda;
static bool started;
static tt_cuda_device device;

void tt_cuda_fail(const char *file, int line, const char *what, const char *why) {
  fflush(stdout);
  fprintf(stderr, "twotrack: the CUDA device: %s: %s (%s:%d)\n", what, why, file, line);
  fflush(stderr);
  _Exit(TT_EXIT_MACHINE); // nothing can be said to the device any more, so no cleaning up
}

// How many devices; 0 with the reason in `why`.
static int count_devices(char *why, size_t n) {
  int count = 0, driver = 0;
  cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return count;
  cudaGetLastError();
  if (cudaDriverGetVersion(&driver) != cudaSuccess || (driver == 0 && error == cudaErrorInsufficientDriver))
    snprintf(why, n, "no CUDA device: this machine has no NVIDIA driver");
  else if (error == cudaErrorInsufficientDriver)
    snprintf(why, n, "the NVIDIA driver is too old: it is for CUDA %d.%d", driver / 1000, driver % 1000 / 10);
  else
    snprintf(why, n, "no CUDA device: %s", cudaGetErrorString(error));
  return 0;
}

extern "C" bool tt_cuda_built_in(void) {
  return true;
}

extern "C" bool tt_cuda_available(char *why, size_t n) {
  return count_devices(why, n) > 0;
}

static tt_status describe(int number) {
  cudaDeviceProp found;
  if (cudaGetDeviceProperties(&found, number) != cudaSuccess)
    return tt_fail(TT_ERR_UNSUPPORTED, "CUDA device %d cannot be asked what it is", number);
  snprintf(device.name, sizeof device.name, "%.95s", found.name);
  device.multiprocessors = found.multiProcessorCount;
  device.capability = 10 * found.major + found.minor;
  device.memory = found.totalGlobalMem;
  memcpy(device.id, found.uuid.bytes, sizeof device.id);
  if (cudaDriverGetVersion(&device.driver) != cudaSuccess) device.driver = 0;
  if (cudaRuntimeGetVersion(&device.runtime) != cudaSuccess) device.runtime = 0;
  if (device.capability < 80)
    return tt_fail(TT_ERR_UNSUPPORTED,
                   "CUDA device %d (%s) is of compute capability %d.%d; 8.0 or newer is needed "
                   "(train.device = \"cpu\" uses the processor)",
                   number, device.name, found.major, found.minor);
  if (found.sharedMemPerBlockOptin < TT_MOST_SHARED) // GPUs for graphics have 99 KB
    return tt_fail(TT_ERR_UNSUPPORTED,
                   "CUDA device %d (%s) has %zu KB of shared memory for a thread block; %d KB are needed, as "
                   "A100, H100 and their successors have (train.device = \"cpu\" uses the processor)",
                   number, device.name, found.sharedMemPerBlockOptin / 1024, TT_MOST_SHARED / 1024);
  return TT_OK;
}

extern "C" tt_status tt_cuda_start(int local_rank) {
  if (started) return TT_OK;
  char why[256];
  int count = count_devices(why, sizeof why);
  if (count == 0) return tt_fail(TT_ERR_UNSUPPORTED, "%s; train.device = \"cpu\" uses the processor", why);
  int number = local_rank % count;
  cudaError_t error = cudaSetDevice(number);
  if (error == cudaSuccess) TT_TRY(describe(number));
  if (error == cudaSuccess) error = cudaStreamCreateWithFlags(&tt_cuda.stream, cudaStreamNonBlocking);
  if (error != cudaSuccess)
    return tt_fail(TT_ERR_UNSUPPORTED,
                   "CUDA device %d cannot be used: %s; train.device = \"cpu\" uses the processor", number,
                   cudaGetErrorString(error));
  tt_cuda.multiprocessors = device.multiprocessors;
  started = true;
  return TT_OK;
}

extern "C" bool tt_cuda_describe(tt_cuda_device *found) {
  if (started) *found = device;
  return started;
}
