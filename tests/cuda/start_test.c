// Which device a rank gets: start_test SHARE, on any number of ranks, prints it, or the message.
#include <stdio.h>
#include <string.h>

#include "device/cuda.h"
#include "train/backend.h"

int main(int argc, char **argv) {
  tt_comm comm;
  tt_config config;
  const tt_ops *ops;
  const char *set[] = {"train.device=\"cuda\"", argc == 2 ? argv[1] : ""};
  if (argc != 2 || tt_config_load(&config, NULL, set, 2) != TT_OK) return 2;
  if (tt_comm_start(&comm) != TT_OK) return 2;
  tt_status status = tt_backend_start(&comm, &config, &ops);
  tt_cuda_device device;
  if (status == TT_OK && tt_cuda_describe(&device))
    printf("rank %d: %s, %d multiprocessors, %d, id %d\n", comm.rank, device.name, device.multiprocessors,
           device.capability, device.id[0]);
  tt_config_free(&config);
  tt_comm_finish(&comm);
  return status == TT_OK ? 0 : 1;
}
