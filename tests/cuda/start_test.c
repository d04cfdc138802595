// Choosing a device: start_test LOCAL_RANK LOCAL_RANKS SHARE prints the device, or the message.
#include "device/cuda.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  if (tt_cuda_start(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]) != 0) != TT_OK) {
    puts(tt_error_message());
    return 1;
  }
  tt_cuda_device device;
  if (!tt_cuda_describe(&device)) return 2;
  printf("%s, %d multiprocessors, %d\n", device.name, device.multiprocessors, device.capability);
  return 0;
}
