// Slabs: the fused operations take their rows some thousands at a time, so that what one kernel or product
// leaves for the next is still in the second-level cache (50 MB on an H100) and only what the table asks for
// goes to memory. Also: how scratch is cut into pieces.
#ifndef TT_KERNELS_CUDA_SLAB_H
#define TT_KERNELS_CUDA_SLAB_H

#include <stddef.h>
#include <stdint.h>

// Rows of a slab of `rows` rows whose widest temporary array has `widest` columns: all slabs are this long,
// only the last may be shorter. A function of shapes alone, and of TWOTRACK_SLAB (elements of that array;
// 16896 x 512, which is 17 MB in bf16, if unset; for tests and trials).
int64_t tt_slab_rows(int64_t rows, int widest);

// At least the elements of a slab's array of `columns` columns, whatever it was chosen for; more rows or
// columns never have fewer, so that what is asked for the largest of each is enough for all.
int64_t tt_slab_elements(int64_t rows, int columns);

// Cuts scratch into consecutive pieces that begin at 256 bytes from each other. Without scratch (NULL) it
// only counts: so an operation asks for exactly the pieces that it cuts.
struct tt_room {
  float *scratch;
  size_t used; // floats
};
template <class T> static inline T *tt_room_cut(tt_room *room, int64_t count) {
  float *piece = room->scratch != nullptr ? room->scratch + room->used : nullptr;
  room->used += ((size_t)count * sizeof(T) + 255) / 256 * 64;
  return (T *)piece;
}

#endif
