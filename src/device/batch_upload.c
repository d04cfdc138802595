#include "device/batch_upload.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum { ARRAYS = 18, START = 256 }; // every array starts on a multiple of START bytes

typedef struct {
  void *at; // where the batch keeps the pointer to the array
  const void *from;
  size_t bytes;
} array;

// All arrays of `host`, and where `to` is to have them.
static void list(const tt_batch *host, tt_batch *to, array arrays[ARRAYS]) {
  size_t m = (size_t)host->molecules, t = (size_t)host->tokens, r = (size_t)host->pairs,
         masked = (size_t)host->masked;
  const array all[ARRAYS] = {
#define TT_ARRAY(name, count) {&to->name, host->name, (count) * sizeof *host->name}
      TT_ARRAY(length, m),
      TT_ARRAY(token_offset, m + 1),
      TT_ARRAY(pair_offset, m + 1),
      TT_ARRAY(atom_pair_offset, m + 1),
      TT_ARRAY(scaling_length, m),
      TT_ARRAY(sample, m),
      TT_ARRAY(batch_index, m),
      TT_ARRAY(token_molecule, t),
      TT_ARRAY(token, t),
      TT_ARRAY(atom_input, t * TT_ATOM_INPUTS),
      TT_ARRAY(degree, t),
      TT_ARRAY(pair_class, t),
      TT_ARRAY(path, r),
      TT_ARRAY(edge, 3 * r),
      TT_ARRAY(position, 3 * t),
      TT_ARRAY(target_position, 3 * t),
      TT_ARRAY(masked_row, masked),
      TT_ARRAY(masked_target, masked),
#undef TT_ARRAY
  };
  memcpy(arrays, all, sizeof all);
}

static size_t room_of(size_t bytes) {
  return (bytes + START - 1) / START * START;
}

static tt_status make_room(const tt_ops *ops, size_t bytes, tt_device_batch *to) {
  if (bytes <= to->room) return TT_OK;
  size_t room = bytes + bytes / 4; // pieces differ in size: a quarter more, so that few find no room
  ops->release(to->memory);
  to->room = 0;
  to->memory = ops->allocate(room);
  if (to->memory == NULL)
    return tt_fail(TT_ERR_MEMORY,
                   "out of memory on the device: a packed batch needs %zu bytes; use smaller "
                   "pieces (train.max_pairs)",
                   room);
  to->room = room;
  return tt_reserve(&to->packed, &to->packed_room, room, 1, "a packed batch");
}

tt_status tt_batch_upload(const tt_ops *ops, const tt_batch *host, tt_device_batch *to) {
  to->batch = *host;
  if (!ops->device) return TT_OK;
  array arrays[ARRAYS];
  size_t bytes = 0;
  list(host, &to->batch, arrays);
  for (int k = 0; k < ARRAYS; k++) bytes += room_of(arrays[k].bytes);
  TT_TRY(make_room(ops, bytes, to));
  size_t at = 0;
  for (int k = 0; k < ARRAYS; k++) {
    void *place = (char *)to->memory + at;
    if (arrays[k].bytes > 0) memcpy(to->packed + at, arrays[k].from, arrays[k].bytes);
    memcpy(arrays[k].at, &place, sizeof place);
    at += room_of(arrays[k].bytes);
  }
  ops->upload(to->packed, bytes, to->memory);
  return TT_OK;
}

void tt_device_batch_free(const tt_ops *ops, tt_device_batch *batch) {
  if (ops != NULL) ops->release(batch->memory);
  free(batch->packed);
  *batch = (tt_device_batch){0};
}
