// Gradients of embedding tables, without atomics: table rows collide (nearly all pairs have no bond), so that
// no thread a row can add to them. Instead the data rows are cut into a fixed number of groups; for each
// group and each slice of 32 channels one warp holds the sums of all table rows in shared memory, a lane a
// channel, and walks the group's rows in order. What the groups make lies in `partial` (groups, table rows,
// dim); one more kernel adds it to the gradients, group by group. So the order of every sum follows from the
// shapes.
#ifndef TT_CUDA_TABLE_GRADIENT_H
#define TT_CUDA_TABLE_GRADIENT_H

#include "cuda.h"

// Groups: enough warps to fill a device (with 16 to 48 slices), few enough that what they write is much less
// than what they read. TT_GROUP_ROWS: a group of fewer is not worth the table it writes.
enum { TT_TOKEN_GROUPS = 8, TT_PAIR_GROUPS = 32, TT_GROUP_ROWS = 32 };

static inline int tt_table_groups(int64_t rows, int most) {
  int64_t groups = (rows + TT_GROUP_ROWS - 1) / TT_GROUP_ROWS;
  return (int)(groups < most ? groups : most);
}

typedef struct {
  int64_t first, end;
} tt_row_span;

TT_DEVICE tt_row_span tt_rows_of_group(int64_t rows, int group, int groups) {
  return {rows * group / groups, rows * (group + 1) / groups};
}

// Up to four tables that lie one after the other in `partial`: where each begins, and how many rows in all.
typedef struct {
  float *gradient[4];
  int first[4], rows;
} tt_table_parts;

float *tt_table_partial(int rows, int dim, int groups);
// gradient += the groups' sums
void tt_table_sum(tt_table_parts to, int dim, int groups, const float *partial);

#endif
