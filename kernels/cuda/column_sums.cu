// Passes: the first stage reads (rows, columns) once; the second reads a few hundred rows of partial sums.
#include "column_sums.h"

tt_column_sum tt_column_sum_cut(tt_room *room, int64_t rows, int64_t slab, int rows_a_block, int columns,
                                float *to) {
  tt_column_sum s = {};
  int64_t least = tt_parts(slab, TT_SUM_BLOCKS), most = tt_parts(rows, rows_a_block);
  s.rows = (least > rows_a_block ? least + 7 : rows_a_block) / 8 * 8;
  s.blocks = tt_parts(slab, s.rows), s.columns = columns, s.to = to;
  s.partial = tt_room_cut<float>(room, (most < TT_SUM_BLOCKS ? most : int64_t{TT_SUM_BLOCKS}) * columns);
  return s;
}

struct sum_list {
  tt_column_sum of[TT_MOST_SUMS];
  int count;
};

// A block has 32 columns of one sum, its thread (column, g) every eighth block of rows from g on.
TT_KERNEL(256) finish_sums(sum_list list) {
  TT_SHARED float parts[256];
  int k = 0, unit = (int)blockIdx.x;
  for (; unit >= (list.of[k].columns + 31) / 32; k++) unit -= (list.of[k].columns + 31) / 32;
  const tt_column_sum &s = list.of[k];
  int c = unit * 32 + (int)threadIdx.x % 32, g = (int)threadIdx.x / 32;
  float sum = 0;
  if (c < s.columns)
    for (int64_t b = g; b < s.blocks; b += 8) sum += s.partial[b * s.columns + c];
  parts[threadIdx.x] = sum;
  __syncthreads();
  if (g > 0 || c >= s.columns) return;
  for (int other = 1; other < 8; other++) sum += parts[other * 32 + c % 32];
  s.to[c] += sum;
}

void tt_column_sum_finish(const tt_column_sum *sums, int count) {
  sum_list list = {};
  int blocks = 0;
  for (int k = 0; k < count; k++)
    if (sums[k].to != nullptr && sums[k].blocks > 0)
      list.of[list.count++] = sums[k], blocks += (sums[k].columns + 31) / 32;
  TT_LAUNCH((finish_sums), blocks, 256, 0, list);
}

template <class T> struct source_list {
  tt_column_source<T> of[TT_MOST_SUMS];
  bool aligned[TT_MOST_SUMS];
};

template <class T> TT_KERNEL(256) sum_rows(source_list<T> list, int64_t rows, bool add) {
  int k = 0, strip = (int)blockIdx.y;
  for (; strip * TT_STRIP >= list.of[k].sum.columns; k++)
    strip -= (list.of[k].sum.columns + TT_STRIP - 1) / TT_STRIP;
  const tt_column_source<T> &s = list.of[k];
  int columns = s.sum.columns, c = strip * TT_STRIP + (int)threadIdx.x % 32 * 8;
  int64_t first = (int64_t)blockIdx.x * s.sum.rows,
          end = first + s.sum.rows < rows ? first + s.sum.rows : rows;
  bool aligned = list.aligned[k];
  tt_eight sum = {};
  if (c < columns)
    for (int64_t r = first + threadIdx.x / 32; r < end; r += 8) {
      tt_eight x = tt_row_read<true>(s.x + r * columns, c, columns, aligned);
      for (int e = 0; e < 8; e++) sum.v[e] += x.v[e];
    }
  tt_column_sum_store(s.sum, strip, sum, add);
}

template <class T>
void tt_column_sum_rows(const tt_column_source<T> *sources, int count, int64_t rows, bool add) {
  source_list<T> list = {};
  int strips = 0, used = 0;
  int64_t blocks = 0;
  for (int k = 0; k < count; k++) {
    if (sources[k].sum.to == nullptr) continue;
    list.aligned[used] = tt_aligned8(sources[k].x, sources[k].sum.columns);
    list.of[used++] = sources[k];
    strips += (sources[k].sum.columns + TT_STRIP - 1) / TT_STRIP;
    blocks = (rows + sources[k].sum.rows - 1) / sources[k].sum.rows; // the same for all: of the same rows
  }
  TT_LAUNCH((sum_rows<T>), dim3((unsigned)blocks, (unsigned)strips), 256, 0, list, rows, add);
}

template void tt_column_sum_rows(const tt_column_source<float> *, int, int64_t, bool);
template void tt_column_sum_rows(const tt_column_source<tt_bf16> *, int, int64_t, bool);
