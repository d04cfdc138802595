// Operands that are floats: as they are, or rounded to bf16, which makes the numbers of operand_native.c on
// every CPU and at the speed of fp32.
#include "operand.h"

#ifdef TT_CPU_BF16
#include <string.h>

static void prepare(float *x, int64_t count) {
  TT_INDEPENDENT
  for (int64_t e = 0; e < count; e++) {
    uint32_t bits;
    memcpy(&bits, x + e, sizeof bits);
    bool number = (bits & 0x7FFFFFFFu) <= 0x7F800000u;
    bits = (bits + (number ? 0x7FFFu + (bits >> 16 & 1) : 0)) & 0xFFFF0000u;
    if (!number) bits |= 0x00400000u; // its low half may be all that said so
    memcpy(x + e, &bits, sizeof bits);
  }
}
#else
static void prepare(float *x, int64_t count) {
  (void)x, (void)count;
}
#endif

void TT_DENSE(operand_weights_transposed)(const float *w, int64_t stride, int out, int in, float *panels) {
  TT_CPU(pack_transposed)(w, stride, out, in, panels);
  prepare(panels, (int64_t)tt_panels_size(in, out));
}

void TT_DENSE(operand_weights)(const float *w, int64_t stride, int out, int in, float *panels) {
  TT_CPU(pack)(w, stride, out, in, panels);
  prepare(panels, (int64_t)tt_panels_size(out, in));
}

const float *TT_DENSE(operand_from)(const float *panels, int first) {
  return panels + (int64_t)first * TT_PANEL;
}

tt_operand TT_DENSE(operand_tile)(tt_tile t, int64_t rows, int columns) {
  for (int first = 0; first < columns; first += TT_PANEL)
    prepare(t.at + first / TT_PANEL * t.height * TT_PANEL, rows * TT_PANEL);
  return (tt_operand){tt_left_tile(t), t};
}

tt_operand TT_DENSE(operand_rows)(const float *x, int64_t stride, int64_t rows, int columns, tt_tile room) {
#ifdef TT_CPU_BF16
  TT_CPU(tile_load)(x, stride, rows, columns, room);
  return TT_DENSE(operand_tile)(room, rows, columns);
#else
  (void)rows, (void)columns, (void)room;
  return (tt_operand){.left = tt_left_rows(x, stride)};
#endif
}

void TT_DENSE(operand_product)(int64_t rows, int columns, int depth, tt_operand a, const float *b, int panel,
                               const float *bias, bool add, tt_target c) {
  TT_CPU(panel_product)(rows, columns, depth, a.left, b, (int64_t)panel * TT_PANEL, bias, add, c);
}

void TT_DENSE(operand_weight_gradient)(int64_t rows, int out, int in, tt_operand dy, tt_operand x, float *dw,
                                       int64_t stride) {
  for (int c = 0; c < in; c += TT_PANEL)
    for (int r = 0; r < out; r += TT_PANEL) { // a panel of x is used by all of dy while it is near
      tt_left left = tt_left_transposed(dy.tile.at + r / TT_PANEL * dy.tile.height * TT_PANEL, TT_PANEL);
      TT_CPU(panel_product)
      (tt_panel_width(out, r), tt_panel_width(in, c), (int)rows, left,
       x.tile.at + c / TT_PANEL * x.tile.height * TT_PANEL, 0, NULL, true,
       tt_target_rows(dw + r * stride + c, stride));
    }
}
