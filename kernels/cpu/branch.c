#include "branch.h"

void TT_CPU(branch_end)(tt_mask_rows *mask, int64_t row, int64_t rows, int columns, tt_tile u,
                        const float *residual, float *out) {
  for (int64_t r = 0; r < rows; r++, out += columns) {
    const float *factors = TT_CPU(mask_row)(mask, row + r);
    for (int first = 0; first < columns; first += TT_PANEL) {
      const float *branch = u.at + (first / TT_PANEL * u.height + r) * TT_PANEL, *factor = factors + first;
      float *to = out + first;
      int count = tt_panel_width(columns, first);
      if (residual != NULL) {
        const float *from = residual + r * columns + first;
        TT_INDEPENDENT
        for (int c = 0; c < count; c++) to[c] = from[c] + factor[c] * branch[c];
      } else {
        TT_INDEPENDENT
        for (int c = 0; c < count; c++) to[c] = factor[c] * branch[c];
      }
    }
  }
}

void TT_CPU(branch_end_backward)(tt_mask_rows *mask, int64_t row, int64_t rows, int columns,
                                 const float *dout, tt_tile u) {
  for (int64_t r = 0; r < rows; r++, dout += columns) {
    const float *factors = TT_CPU(mask_row)(mask, row + r);
    for (int first = 0; first < columns; first += TT_PANEL) {
      const float *from = dout + first, *factor = factors + first;
      float *to = u.at + (first / TT_PANEL * u.height + r) * TT_PANEL;
      int count = tt_panel_width(columns, first);
      TT_INDEPENDENT
      for (int c = 0; c < count; c++) to[c] = factor[c] * from[c];
    }
  }
}
