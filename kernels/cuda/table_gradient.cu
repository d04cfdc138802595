// The second stage of a table's gradient (table_gradient.h).
#include "table_gradient.h"
#include "workspace.h"

TT_KERNEL(256) sum_groups(tt_table_parts to, int dim, int groups, const float *partial) {
  int64_t count = (int64_t)to.rows * dim, i = (int64_t)blockIdx.x * 256 + threadIdx.x;
  if (i >= count) return;
  float sum = 0;
  for (int g = 0; g < groups; g++) sum += partial[g * count + i];
#pragma unroll
  for (int part = 3; part >= 0; part--) // by constants, so that the parts stay in registers
    if (i >= (int64_t)to.first[part] * dim) {
      to.gradient[part][i - (int64_t)to.first[part] * dim] += sum;
      return;
    }
}

float *tt_table_partial(int rows, int dim, int groups) {
  return (float *)tt_cuda_workspace((size_t)rows * (size_t)dim * (size_t)groups * sizeof(float));
}

void tt_table_sum(tt_table_parts to, int dim, int groups, const float *partial) {
  int64_t count = (int64_t)to.rows * dim;
  if (groups == 0) return;
  TT_LAUNCH((sum_groups), (count + 255) / 256, 256, 0, to, dim, groups, partial);
}
