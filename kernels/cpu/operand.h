// The dense products of the model's linear maps, with operands in the precision that this copy is made for
// (isa.h): weights, rows and tiles become operands once and are then multiplied. Sums are fp32 always.
//
// fp32: operands are used as they are. bf16: they are rounded to the nearest bf16 (ties to even; what is no
// number stays none); a product of two is exact in fp32, except that native kernels take numbers below
// 2^-126 as 0. operand.c keeps the rounded numbers as floats; operand_native.c packs two into one factor.
#ifndef TT_KERNELS_CPU_OPERAND_H
#define TT_KERNELS_CPU_OPERAND_H

#include "tile.h"

// pack_transposed and pack (panel.h), the panels being an operand.
void TT_DENSE(operand_weights_transposed)(const float *w, int64_t stride, int out, int in, float *panels);
void TT_DENSE(operand_weights)(const float *w, int64_t stride, int out, int in, float *panels);
// The panels from row `first` (even) on.
const float *TT_DENSE(operand_from)(const float *panels, int first);

typedef struct {
  tt_left left;
  tt_tile tile;
} tt_operand;

// A tile. Products only may read it afterwards, until it is filled again.
tt_operand TT_DENSE(operand_tile)(tt_tile t, int64_t rows, int columns);
// Rows of a matrix, for operand_product alone. `room`: a tile that they may be put into.
tt_operand TT_DENSE(operand_rows)(const float *x, int64_t stride, int64_t rows, int columns, tt_tile room);

// c (rows, columns) = [c +] a (rows, depth) b + bias, as panel_product; b: panels of `panel` rows.
void TT_DENSE(operand_product)(int64_t rows, int columns, int depth, tt_operand a, const float *b, int panel,
                               const float *bias, bool add, tt_target c);

// dw (out, in; rows `stride` apart) += dy^T x, both of `rows` rows
void TT_DENSE(operand_weight_gradient)(int64_t rows, int out, int in, tt_operand dy, tt_operand x, float *dw,
                                       int64_t stride);

#endif
