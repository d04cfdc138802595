// What a run was computed with, for its log.
#ifndef TT_TRAIN_HARDWARE_H
#define TT_TRAIN_HARDWARE_H

#include <jansson.h>

// A new JSON object about this process's machine: "cpu" (model), "cores" (that this process may use),
// "memory_bytes", "system", and the libraries "mpi", "hdf5", "openblas", "openblas_kernels" (its kernel set
// for this CPU; only benchmarks use it), "compiler". No host name. Where the run computes on a GPU, also
// "gpu" (model), "gpu_multiprocessors", "gpu_capability", "gpu_memory_bytes", "cuda_driver", "cuda_runtime". NULL when out of memory.
json_t *tt_hardware_json(void);

#endif
