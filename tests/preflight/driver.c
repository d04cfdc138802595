// In place of NVIDIA's libcuda.so.1: TT_GPUS GPUs, the first with the bus address TT_GPU_FIRST; TT_GPUS=-1: a
// driver that does not work.
#include <stdio.h>
#include <stdlib.h>

int cuInit(unsigned flags);
int cuDeviceGetCount(int *count);
int cuDeviceGetName(char *name, int size, int device);
int cuDeviceGetPCIBusId(char *address, int size, int device);

static int number(const char *name) {
  const char *text = getenv(name);
  return text ? atoi(text) : 0;
}

int cuInit(unsigned flags) {
  (void)flags;
  return number("TT_GPUS") < 0 ? 999 : number("TT_GPUS") == 0 ? 100 : 0;
}

int cuDeviceGetCount(int *count) {
  *count = number("TT_GPUS");
  return 0;
}

int cuDeviceGetName(char *name, int size, int device) {
  snprintf(name, (size_t)size, "Made-up GPU %d", device);
  return 0;
}

int cuDeviceGetPCIBusId(char *address, int size, int device) {
  snprintf(address, (size_t)size, "0000:%02x:00.0", number("TT_GPU_FIRST") + device);
  return 0;
}
