// Memory for arrays: 64-byte aligned, zeroed, and an error instead of a null pointer.
#ifndef TT_CORE_MEMORY_H
#define TT_CORE_MEMORY_H

#include <stddef.h>

#include "core/status.h"

// Sets *pointer to `count` zeroed elements of `size` bytes each, aligned to 64 bytes; free() releases it.
// TT_ERR_MEMORY with `what` and the size in the message when there is none (also when count*size overflows).
tt_status tt_alloc(void *pointer, size_t count, size_t size, const char *what);

// `bytes` bytes, not zeroed and not touched, aligned in the same way; NULL: there are none.
void *tt_memory_aligned(size_t bytes);

// Makes *pointer hold at least `count` elements; keeps the old contents, zeroes nothing. *capacity is in
// elements. Grows by at least half, so that repeated calls cost amortised constant time.
tt_status tt_reserve(void *pointer, size_t *capacity, size_t count, size_t size, const char *what);

#endif
