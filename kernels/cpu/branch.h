// Where a branch leaves the residual stream and comes back to it, on a tile.
#ifndef TT_KERNELS_CPU_BRANCH_H
#define TT_KERNELS_CPU_BRANCH_H

#include "mask.h"
#include "tile.h"

// Row pointers are those of the tile's first row, which is packed row `row`.
// out = residual + mask * u; residual may be NULL (nothing) or out
void TT_CPU(branch_end)(tt_mask_rows *mask, int64_t row, int64_t rows, int columns, tt_tile u,
                        const float *residual, float *out);
// u = mask * dout
void TT_CPU(branch_end_backward)(tt_mask_rows *mask, int64_t row, int64_t rows, int columns,
                                 const float *dout, tt_tile u);

#endif
