// Slabs: the fused operations take their rows some thousands at a time, so that what one kernel or product
// leaves for the next is still in the second-level cache (50 MB on an H100) and only what the table asks for
// goes to memory. Also: how scratch is cut into pieces.
#ifndef TT_KERNELS_CUDA_SLAB_H
#define TT_KERNELS_CUDA_SLAB_H

#include <stddef.h>
#include <stdint.h>

// Rows of a slab of `rows` rows whose widest temporary array has `widest` columns: all slabs are this long,
// only the last may be shorter. A function of shapes alone, and of TWOTRACK_SLAB (elements of that array, for
// tests and trials). Unset, it is 16896 x 512: 17 MB in bf16, so that of what one
// kernel leaves to the next, and that one reads beside it, some 32 MB stay in the cache, and a product of 512
// columns has two tiles of 128 x 256 for each of an H100's 132 multiprocessors; but at least 4096 rows, for
// products with fewer are slow.
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
