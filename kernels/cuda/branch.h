// The end of a residual branch, after its product: bias, dropout and residual in one kernel, and the
// backward.
#ifndef TT_KERNELS_CUDA_BRANCH_H
#define TT_KERNELS_CUDA_BRANCH_H

#include "column_sums.h"
#include "dropout.h"

// out = residual + dropout(y + bias), all (rows, dim), for packed rows first.. of `drop`. bias and residual
// may be NULL; out may be y or residual.
template <class T>
void tt_branch_end(const tt_device_drop &drop, int64_t first, const T *y, int64_t rows, int dim,
                   const float *bias, const T *residual, T *out);

// dy = the dropout's factors times dout (may be the same memory), and the first stage of dbias. `add`: to the
// sums of an earlier slab. Without dropout dy is dout: give NULL where no copy is wanted.
template <class T>
void tt_branch_end_backward(const tt_device_drop &drop, int64_t first, const T *dout, int64_t rows, int dim,
                            T *dy, const tt_column_sum &dbias, bool add);

#endif
