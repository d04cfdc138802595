// Digests of arrays of a backend.
#ifndef TT_TRAIN_ARRAY_DIGEST_H
#define TT_TRAIN_ARRAY_DIGEST_H

#include "core/element_digest.h"
#include "device/ops.h"

// Adds to *digest that of `count` elements in the backend's memory, the first of which counts as element
// `first`. Waits for what is queued.
void tt_array_digest_add(tt_element_digest *digest, const tt_ops *ops, const float *array, int64_t count,
                         int64_t first);

#endif
