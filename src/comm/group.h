// What the ranks of a tensor group exchange while they compute a piece together: rows of numbers.
//
// Each rank has rows of its own, and all ranks know how many each has (rows[r] of rank r, perhaps none). "All
// rows" are the ranks' own rows strung together in the order of the ranks. Every function is collective,
// counts what it sends (comm/traffic.h), and is a fixed function of its inputs: additions have one order. A
// rank that cannot go on ends the job. `element`: bytes of one number.
//
// Arrays are the host's, of fp32 (element 4), and all is done on return. Where the group has a link
// (comm/link.h) they are the device's, of fp32 or bf16 (2), and the work is queued with the computation.
#ifndef TT_COMM_GROUP_H
#define TT_COMM_GROUP_H

#include "comm/comm.h"

// all (all rows, dim): the own rows in their place on entry, all ranks' on return.
void tt_group_gather(const tt_comm *group, const int64_t *rows, int64_t dim, size_t element, void *all);

// own (own rows, dim) = the sum over the ranks of the own rows of their `partial` (all rows, dim), added in a
// binary tree: ranks 0+1, 2+3, ... first. The ranks must be a power of two. The own rows of `partial`, which
// `own` may be, are used up. scratch: (ranks - 1) * own rows * dim numbers.
void tt_group_sum(const tt_comm *group, const int64_t *rows, int64_t dim, size_t element, void *partial,
                  void *own, void *scratch);

// The first of `count` things that rank r of a group has; its last is the one before rank r + 1's first. As
// even as they go.
static inline int64_t tt_group_share(int64_t count, int ranks, int r) {
  return count * r / ranks;
}

// From own rows with all columns to all rows with own columns: own (own rows, columns), all (all rows, own
// columns), of which rank r has columns tt_group_share(columns, ranks, r) to those of r + 1. scratch: own
// rows * (columns - own columns) numbers.
void tt_group_to_columns(const tt_comm *group, const int64_t *rows, int64_t columns, size_t element,
                         const void *own, void *all, void *scratch);
// And back.
void tt_group_to_rows(const tt_comm *group, const int64_t *rows, int64_t columns, size_t element,
                      const void *all, void *own, void *scratch);

// Bytes that a rank with own_rows of all_rows, and own_columns of columns, sends in each of them; pure
// functions.
static inline int64_t tt_group_gather_bytes(int ranks, int64_t own_rows, int64_t dim, size_t element) {
  return (ranks - 1) * own_rows * dim * (int64_t)element;
}
static inline int64_t tt_group_sum_bytes(int64_t own_rows, int64_t all_rows, int64_t dim, size_t element) {
  return (all_rows - own_rows) * dim * (int64_t)element;
}
static inline int64_t tt_group_to_columns_bytes(int64_t own_rows, int64_t columns, int64_t own_columns,
                                                size_t element) {
  return own_rows * (columns - own_columns) * (int64_t)element;
}
static inline int64_t tt_group_to_rows_bytes(int64_t own_rows, int64_t all_rows, int64_t own_columns,
                                             size_t element) {
  return (all_rows - own_rows) * own_columns * (int64_t)element;
}

#endif
