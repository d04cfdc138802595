// Sums of squares in double. A span of elements is summed by one thread block, thread by thread and then over
// the threads; a long array is cut into at most MOST_SPANS spans, how many follows from the count alone,
// whose sums one more block adds. So a span has the same bits whichever of the two functions asks for it.
#include "operations.h"
#include "warp.h"
#include "workspace.h"

enum { THREADS = 256, MOST_SPANS = 1024, LEAST = 8192 };

TT_KERNEL(THREADS) squares(const float *x, int64_t count, int64_t span, double *sums) {
  int64_t first = blockIdx.x * span, end = first + span < count ? first + span : count;
  double sum = 0;
  for (int64_t i = first + threadIdx.x; i < end; i += THREADS) sum += (double)x[i] * x[i];
  sum = tt_block_sum<THREADS>(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

TT_KERNEL(THREADS) total(int64_t spans, const double *sums, double *to) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < spans; i += THREADS) sum += sums[i];
  sum = tt_block_sum<THREADS>(sum);
  if (threadIdx.x == 0) *to = sum;
}

static void block_squares(const float *x, int64_t count, int64_t block, double *sums) {
  TT_LAUNCH((squares), (count + block - 1) / block, THREADS, 0, x, count, block, sums);
}

static double sum_squares(const float *x, int64_t count) {
  if (count == 0) return 0;
  int64_t span = (count + MOST_SPANS - 1) / MOST_SPANS;
  if (span < LEAST) span = LEAST;
  int64_t spans = (count + span - 1) / span;
  double *sums = (double *)tt_cuda_workspace((MOST_SPANS + 1) * sizeof(double)), sum;
  block_squares(x, count, span, sums);
  if (spans > 1) TT_LAUNCH((total), 1, THREADS, 0, spans, sums, sums + MOST_SPANS);
  tt_cuda_download(spans > 1 ? sums + MOST_SPANS : sums, sizeof sum, &sum);
  return sum;
}

template <class T> void tt_cuda_fill_sum_squares(tt_cuda_table *table) {
  table->ops.sum_squares = sum_squares;
  table->ops.block_squares = block_squares;
}
TT_FILL(sum_squares)
