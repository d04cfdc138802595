#include "train/backend.h"

#include <string.h>

#include "device/cuda.h"

static bool use_cuda(const tt_config *config) {
  char why[256];
  tt_device device = config->train.device;
  return device == TT_DEVICE_CUDA || (device == TT_DEVICE_AUTO && tt_cuda_available(why, sizeof why));
}

const tt_ops *tt_backend_choose(const tt_config *config) {
  char why[256];
  if (!use_cuda(config)) return tt_ops_cpu(config->train.precision);
  if (tt_cuda_available(why, sizeof why)) return tt_ops_cuda(config->train.precision);
  tt_fail(TT_ERR_UNSUPPORTED, "train.device = \"cuda\": %s; \"cpu\" uses the processor", why);
  return NULL;
}

tt_status tt_backend_start(const tt_comm *comm, const tt_config *config, const tt_ops **ops) {
  int place, ranks;
  tt_comm_node(comm, &place, &ranks); // collective: all ranks, whatever each will use
  *ops = tt_backend_choose(config);
  tt_status status = *ops != NULL ? TT_OK : TT_ERR_UNSUPPORTED;
  if (status == TT_OK && (*ops)->device) status = tt_cuda_start(place, ranks, config->parallel.share_gpu);
  return tt_comm_agree(comm, status);
}

tt_status tt_backend_alloc(const tt_ops *ops, void *pointer, size_t count, size_t size, const char *what) {
  size_t bytes;
  void *p = NULL;
  if (!__builtin_mul_overflow(count, size, &bytes)) p = ops->allocate(bytes, true);
  memcpy(pointer, &p, sizeof p);
  if (p) return TT_OK;
  return tt_fail(TT_ERR_MEMORY,
                 "out of memory%s: %s needs %zu x %zu bytes; use more ranks, fewer leaves a rank "
                 "(train.micro_batches), a smaller model or more memory",
                 ops->device ? " on the device" : "", what, count, size);
}
