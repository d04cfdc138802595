// A packed batch where operations can read it.
#ifndef TT_DEVICE_BATCH_UPLOAD_H
#define TT_DEVICE_BATCH_UPLOAD_H

#include "device/ops.h"

// Zero it before the first upload.
typedef struct {
  tt_batch batch; // what operations are given: scalars as on the host, arrays of the device
  // private: the device's memory, and all arrays one after the other on the way to it
  void *memory;
  unsigned char *packed;
  size_t room, packed_room;
} tt_device_batch;

// Copies all arrays of `host` to the device in one piece, queued behind what still reads the batch before it;
// `host` may be changed on return. Where operations run on the host nothing is copied: `to` has the host's
// arrays. TT_ERR_MEMORY.
tt_status tt_batch_upload(const tt_ops *ops, const tt_batch *host, tt_device_batch *to);
void tt_device_batch_free(const tt_ops *ops, tt_device_batch *batch);

#endif
