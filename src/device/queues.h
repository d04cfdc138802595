// The queues of a device, for those who exchange arrays between ranks while it computes.
#ifndef TT_DEVICE_QUEUES_H
#define TT_DEVICE_QUEUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  TT_QUEUE_COMPUTE,  // the operations of the table (device/ops.h)
  TT_QUEUE_EXCHANGE, // what goes on beside them
  TT_QUEUES
} tt_queue;

// What is in a queue is done in order. Nothing here waits.
typedef struct {
  void *(*stream)(tt_queue queue); // the device's own name of it: a cudaStream_t
  // What comes to `queue` from now on begins when all is done that is in `other` now.
  void (*follow)(tt_queue queue, tt_queue other);
  bool (*idle)(tt_queue queue); // all that is in it is done
  // rows of `width` bytes, which begin from_row bytes apart, to places that are to_row bytes apart. All are
  // multiples of 2.
  void (*copy_rows)(tt_queue queue, const void *from, int64_t from_row, int64_t rows, int64_t width, void *to,
                    int64_t to_row);
  // to (count) = the sum of what `ranks` ranks have, of which this one, `rank`, has `own`, and `others` the
  // rest in the order of the ranks, `stride` elements apart. Added in a binary tree: ranks 0+1, 2+3, ...
  // first. `element`: bytes of one, 4: fp32, 2: bf16, whose sums are fp32 and rounded once. The ranks are a
  // power of two, at most 1024; `to` may be `own`.
  void (*sum)(tt_queue queue, size_t element, const void *others, int64_t stride, int rank, int ranks,
              int64_t count, const void *own, void *to);
} tt_queues;

#endif
