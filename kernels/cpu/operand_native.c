// Operands that are pairs of bf16 in 32 bits, for VDPBF16PS: sum += low * low' + high * high' in each lane.
// Takes the place of operand.c where CPUs have that instruction (AVX512-BF16); the one file with intrinsics.
//
// A pair joins two neighbours along the sum, the earlier one low; past the end stands 0. So weights are
// pairs of rows of a panel. A tile stands on either side of a product and is summed along its columns or its
// rows: of its memory, each panel's first half gets the pairs along the columns (row after row), the second
// half those along the rows (as a panel). "Floats" are counted as before; all of this fits where they were.
#include "operand.h"

#include <immintrin.h>
#include <string.h>

static TT_INLINE tt_lanes add_products(tt_lanes sum, float factor, tt_lanes line) {
  return (tt_lanes)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_ps(factor), (__m512bh)line);
}

enum { HALF = TT_PANEL / 2 };

// c = [c +] a b + bias: panel_product of pairs; depths and the left matrix's columns count pairs.
static void pair_product(int64_t rows, int columns, int depth, tt_left a, const float *b, int64_t b_panel,
                         const float *bias, bool add, tt_target c);

#define TT_PRODUCT pair_product
#define TT_MULTIPLY_ADD(sum, factor, line) add_products(sum, factor, line)
#define TT_CHUNK HALF
#include "panel_loops.h"

// Two rows of a panel in bf16: each row, 32 columns a register; and the pairs down them, 16 columns a
// register.
typedef struct {
  __m512i row[2][TT_PANEL / 32], down[TT_PANEL / 16];
} two_rows;

// `columns` of the rows are there; b may be NULL: zeros.
static TT_INLINE two_rows round_rows(const float *a, const float *b, int columns) {
  two_rows r;
  for (int v = 0; v < TT_PANEL / 32; v++) {
    int left = columns - 32 * v;
    __mmask32 there = left >= 32 ? 0xFFFFFFFFu : left <= 0 ? 0 : (1u << left) - 1;
    __mmask16 low = (__mmask16)there, high = (__mmask16)(there >> 16);
    __m512i x = (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, a + 32 * v + 16),
                                             _mm512_maskz_loadu_ps(low, a + 32 * v));
    __m512i y = _mm512_setzero_si512();
    if (b)
      y = (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, b + 32 * v + 16),
                                       _mm512_maskz_loadu_ps(low, b + 32 * v));
    r.row[0][v] = x, r.row[1][v] = y;
    for (int h = 0; h < 2; h++) {
      __m512i lower = _mm512_cvtepu16_epi32(h ? _mm512_extracti64x4_epi64(x, 1) : _mm512_castsi512_si256(x));
      __m512i upper = _mm512_cvtepu16_epi32(h ? _mm512_extracti64x4_epi64(y, 1) : _mm512_castsi512_si256(y));
      r.down[2 * v + h] = _mm512_or_si512(lower, _mm512_slli_epi32(upper, 16));
    }
  }
  return r;
}

static TT_INLINE void store(float *to, const __m512i *registers, int count) {
  for (int k = 0; k < count; k++) _mm512_storeu_si512(to + 16 * k, registers[k]);
}

// Panels of `depth` rows: their rows two by two, in place.
static void pair_panels(int depth, int columns, float *panels) {
  for (int first = 0; first < columns; first += TT_PANEL, panels += (int64_t)depth * TT_PANEL)
    for (int64_t k = 0; k < depth; k += 2) {
      const float *from = panels + k * TT_PANEL;
      two_rows r = round_rows(from, k + 1 < depth ? from + TT_PANEL : NULL, TT_PANEL);
      store(panels + k / 2 * TT_PANEL, r.down, TT_PANEL / 16);
    }
}

void TT_DENSE(operand_weights_transposed)(const float *w, int64_t stride, int out, int in, float *panels) {
  TT_CPU(pack_transposed)(w, stride, out, in, panels);
  pair_panels(in, out, panels);
}

void TT_DENSE(operand_weights)(const float *w, int64_t stride, int out, int in, float *panels) {
  TT_CPU(pack)(w, stride, out, in, panels);
  pair_panels(out, in, panels);
}

const float *TT_DENSE(operand_from)(const float *panels, int first) {
  return panels + (int64_t)first / 2 * TT_PANEL;
}

// The pairs along the rows of the panel with this column.
static float *down_rows(tt_tile t, int column) {
  return t.at + column / TT_PANEL * t.height * TT_PANEL + t.height * HALF;
}

tt_operand TT_DENSE(operand_tile)(tt_tile t, int64_t rows, int columns) {
  float down[TT_TILE_ROWS * HALF] __attribute__((aligned(64))); // their place is still being read
  for (int first = 0; first < columns; first += TT_PANEL) {
    float *panel = t.at + first / TT_PANEL * t.height * TT_PANEL;
    for (int64_t k = 0; k < rows; k += 2) {
      const float *from = panel + k * TT_PANEL;
      two_rows r = round_rows(from, k + 1 < rows ? from + TT_PANEL : NULL, columns - first);
      store(panel + k * HALF, r.row[0], TT_PANEL / 32);
      store(panel + (k + 1) * HALF, r.row[1], TT_PANEL / 32);
      store(down + k * HALF, r.down, TT_PANEL / 16);
    }
    memcpy(down_rows(t, first), down, (size_t)((rows + 1) / 2 * TT_PANEL) * sizeof *down);
  }
  return (tt_operand){{t.at, HALF, 1, HALF, t.height * TT_PANEL}, t};
}

tt_operand TT_DENSE(operand_rows)(const float *x, int64_t stride, int64_t rows, int columns, tt_tile room) {
  TT_CPU(tile_load)(x, stride, rows, columns, room);
  return TT_DENSE(operand_tile)(room, rows, columns);
}

void TT_DENSE(operand_product)(int64_t rows, int columns, int depth, tt_operand a, const float *b, int panel,
                               const float *bias, bool add, tt_target c) {
  pair_product(rows, columns, (depth + 1) / 2, a.left, b, (int64_t)panel * TT_PANEL, bias, add, c);
}

void TT_DENSE(operand_weight_gradient)(int64_t rows, int out, int in, tt_operand dy, tt_operand x, float *dw,
                                       int64_t stride) {
  for (int c = 0; c < in; c += TT_PANEL)
    for (int r = 0; r < out; r += TT_PANEL) {
      tt_left left = {down_rows(dy.tile, r), 1, TT_PANEL, HALF, HALF * TT_PANEL};
      pair_product(tt_panel_width(out, r), tt_panel_width(in, c), (int)(rows + 1) / 2, left,
                   down_rows(x.tile, c), 0, NULL, true, tt_target_rows(dw + r * stride + c, stride));
    }
}
