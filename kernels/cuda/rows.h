// Eight neighbouring channels of a row, the unit in which the kernels of the dense operations read, write
// and draw dropout. A lane of a warp takes channels 8 lane.. of a strip of 256; so the order of every sum is
// the same whether or not addresses allow 16-byte accesses.
#ifndef TT_KERNELS_CUDA_ROWS_H
#define TT_KERNELS_CUDA_ROWS_H

#include "number.h"

enum { TT_STRIP = 256 }; // channels of a warp

// Channels c..c+7 of a row of `width`; those past its end are 0, and are not written. `aligned`:
// tt_aligned8() of all rows. LAST: see tt_load8.
template <bool LAST = false, class T>
TT_DEVICE tt_eight tt_row_read(const T *row, int64_t c, int64_t width, bool aligned) {
  if (aligned && c + 8 <= width) return tt_load8<LAST>(row + c);
  return tt_load_any(row + c, c + 8 <= width ? 8 : static_cast<int>(width - c));
}
template <bool LAST = false, class T>
TT_DEVICE void tt_row_write(T *row, int64_t c, int64_t width, bool aligned, const tt_eight &x) {
  if (aligned && c + 8 <= width)
    tt_store8<LAST>(row + c, x);
  else
    tt_store_any(row + c, c + 8 <= width ? 8 : static_cast<int>(width - c), x);
}

#endif
