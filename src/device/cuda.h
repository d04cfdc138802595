// The CUDA backend (kernels/cuda). Where it is not built in, the same functions say so
// (kernels/cuda/absent.c); in tests it runs on the host (kernels/emulated).
#ifndef TT_DEVICE_CUDA_H
#define TT_DEVICE_CUDA_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"
#include "device/ops.h"
#include "device/queues.h"

// Whether this program was built with the backend. Asks no device.
bool tt_cuda_built_in(void);

// Whether there is a device that this program can use. If not, `why` (n characters) gets the reason, a phrase
// that names what is missing: no device, no driver, or a program without the backend.
bool tt_cuda_available(char *why, size_t n);

// This process's device: of those that it sees the one with the number of its place among the ranks of its
// node, counted round. TT_ERR_UNSUPPORTED with what to do about it. Before any other use of the backend;
// calling it again does nothing.
tt_status tt_cuda_start(int local_rank);

// Its operations. `precision` fp32: everything is fp32, without tf32; bf16: activations, and the weights'
// copies in products, are bf16, the rest is fp32. NULL, with a message, where the backend is not built in.
// The table's scratch(), activation_size, name and precision may be read without a device; its operations
// need tt_cuda_start.
const tt_ops *tt_ops_cuda(tt_precision precision);

// Its queues, once it has been started. NULL, without a message, where the backend is not built in.
const tt_queues *tt_cuda_queues(void);

enum { TT_CUDA_WIDEST = 4096 }; // most channels of model.embed_dim and model.pair_dim

// What the host is at, for a profiler: a range of NVTX from here to the next call. NULL: none.
void tt_cuda_range(const char *name);

// The device in hand, for the log.
typedef struct {
  char name[96];
  int multiprocessors, capability; // 90: 9.0
  size_t memory;                   // bytes
  int driver, runtime;             // versions: 13000 is 13.0
  unsigned char id[16];            // the same in all processes that use this one, and no others
} tt_cuda_device;
// False, and nothing in *device, before tt_cuda_start has found one.
bool tt_cuda_describe(tt_cuda_device *device);

// Bytes of the device's memory. What is not this backend's of `used`: the driver's context, code, NCCL, other
// processes.
typedef struct {
  size_t peak; // most that the backend had allocated at once: what it was asked for, copies of weights, own
  size_t own;  // of it room to work for the backend itself and cuBLASLt, now
  size_t used; // by all on the device, now, as the driver counts
} tt_cuda_memory;
// False, and nothing in *memory, as tt_cuda_describe.
bool tt_cuda_memory_use(tt_cuda_memory *memory);

#endif
