// The backend that a run computes with, as train.device says, and memory of its.
#ifndef TT_TRAIN_BACKEND_H
#define TT_TRAIN_BACKEND_H

#include "comm/mesh.h"
#include "config/config.h"
#include "device/ops.h"

// Not collective, and starts nothing: which one it will be. "auto": the CUDA backend where it is built in and
// this machine has a device. NULL, with a message, where the one that is asked for cannot be had.
const tt_ops *tt_backend_choose(const tt_config *config);

// Collective: the same, with the device of this rank's place on its node made ready. TT_ERR_UNSUPPORTED,
// which has been reported.
tt_status tt_backend_start(const tt_comm *comm, const tt_config *config, const tt_ops **ops);

// Collective, after tt_backend_start: how arrays of a device go between the ranks of the mesh, as
// parallel.exchange and parallel.reduction say (comm/link.h). *arrays is filled and must stay where it is for
// as long as the mesh is there. Nothing for the processor and for one rank. TT_ERR_CONFIG,
// TT_ERR_UNSUPPORTED, which have been reported.
tt_status tt_backend_link(const tt_config *config, const tt_ops *ops, tt_mesh *mesh,
                          tt_device_arrays *arrays);

// Sets *pointer to `count` elements of `size` bytes, of any content, in the backend's memory; ops->release
// gives them back. TT_ERR_MEMORY with `what` in the message.
tt_status tt_backend_alloc(const tt_ops *ops, void *pointer, size_t count, size_t size, const char *what);

#endif
