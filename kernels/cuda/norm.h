// LayerNorm of rows, and its backward: the kernels behind layer_norm, norm_linear, ffn (and whatever else
// begins with one).
#ifndef TT_KERNELS_CUDA_NORM_H
#define TT_KERNELS_CUDA_NORM_H

#include "column_sums.h"
#include "cuda.h"
#include "slab.h"

// y = LN(x), x and y (rows, dim); the statistics are outputs. `again`: x is read again soon.
template <class X, class Y>
void tt_norm_rows(const X *x, int64_t rows, int dim, tt_weights norm, tt_statistics s, bool again, Y *y);

// The sums of dgamma and dbeta.
struct tt_norm_sums {
  tt_column_sum gamma, beta;
};
tt_norm_sums tt_norm_sums_cut(tt_room *room, int64_t rows, int64_t slab, int dim, tt_gradients to);

// dx = gradient (+ dx if `keep`), from dy (rows, dim), the gradient of LN(x). z, if not NULL: LN(x) once
// more, for the gradients of the maps that read it; may be dy where that is of the same type. The sums get
// the first stage of dgamma and dbeta, added to what they hold if `add` (an earlier slab). dim is at most
// TT_NORM_MOST.
enum { TT_NORM_MOST = TT_CUDA_WIDEST };
template <class X, class D>
void tt_norm_rows_backward(const D *dy, const X *x, int64_t rows, int dim, tt_weights norm, tt_statistics s,
                           bool keep, X *dx, X *z, const tt_norm_sums &sums, bool add);

#endif
