// The second stage of sums over rows: the parts that thread blocks left, added in order.
#include "pair.h"

enum { COLUMNS = 32, LANES = 8 };

// A thread has every eighth row of a column; the eight sums are added in order.
TT_KERNEL(COLUMNS *LANES) sum_parts(const float *part, int64_t rows, int64_t pitch, int width, float *to) {
  TT_SHARED float sums[LANES][COLUMNS];
  int at = (int)threadIdx.x % COLUMNS, lane = (int)threadIdx.x / COLUMNS;
  int column = (int)blockIdx.x * COLUMNS + at;
  float sum = 0;
  if (column < width)
    for (int64_t r = lane; r < rows; r += LANES) sum += part[r * pitch + column];
  sums[lane][at] = sum;
  __syncthreads();
  if (lane != 0 || column >= width) return;
  for (int other = 1; other < LANES; other++) sum += sums[other][at];
  to[column] += sum;
}

void tt_cuda_sum_parts(const float *part, int64_t rows, int64_t pitch, int width, float *to) {
  TT_LAUNCH((sum_parts), rows > 0 ? tt_parts(width, COLUMNS) : 0, COLUMNS * LANES, 0, part, rows, pitch,
            width, to);
}

template <class T> void tt_cuda_fill_pair_sums(tt_cuda_table *) {} // not an operation of the table
TT_FILL(pair_sums)
