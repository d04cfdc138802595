#include "train/array_digest.h"

enum { PIECE = 1 << 15 }; // elements copied from a device at once

void tt_array_digest_add(tt_element_digest *digest, const tt_ops *ops, const float *array, int64_t count,
                         int64_t first) {
  if (!ops->device) {
    tt_element_digest_add(digest, array, count, first);
    return;
  }
  float piece[PIECE];
  for (int64_t at = 0; at < count; at += PIECE) {
    int64_t n = count - at < PIECE ? count - at : PIECE;
    ops->download(array + at, (size_t)n * sizeof *piece, piece);
    tt_element_digest_add(digest, piece, n, first + at);
  }
}
