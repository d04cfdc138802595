// The memory entries of the table (ops.h) for backends that compute on the host: plain memory, nothing is
// queued.
#ifndef TT_DEVICE_HOST_MEMORY_H
#define TT_DEVICE_HOST_MEMORY_H

#include <stddef.h>
#include <stdint.h>

// Not touched before it is used, so that it takes no memory until then.
void *tt_host_allocate(size_t bytes);
void tt_host_release(void *memory);
// Both directions.
void tt_host_copy(const void *from, size_t bytes, void *to);
void tt_host_wait(void);
void tt_host_weights_changed(const float *weights, int64_t count);

// What a filled table says of memory: .activation_size ... .weights_changed.
#define TT_HOST_MEMORY                                                                                       \
  .activation_size = sizeof(tt_activation), .allocate = tt_host_allocate, .release = tt_host_release,        \
  .upload = tt_host_copy, .download = tt_host_copy, .wait = tt_host_wait,                                    \
  .weights_changed = tt_host_weights_changed

#endif
