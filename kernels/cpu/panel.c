#include "panel.h"

#include <string.h>

#define TT_PRODUCT TT_CPU(panel_product)
#define TT_MULTIPLY_ADD(sum, factor, line) ((sum) + (factor) * (line))
#define TT_CHUNK TT_PANEL
#include "panel_loops.h"

void TT_CPU(pack_transposed)(const float *w, int64_t stride, int out, int in, float *panels) {
  for (int first = 0; first < out; first += TT_PANEL, panels += (int64_t)in * TT_PANEL) {
    int count = tt_panel_width(out, first);
    if (count < TT_PANEL) memset(panels, 0, (size_t)in * TT_PANEL * sizeof *panels);
    TT_CPU(transpose)(count, in, w + first * stride, stride, false, panels, TT_PANEL);
  }
}

void TT_CPU(pack)(const float *w, int64_t stride, int out, int in, float *panels) {
  for (int first = 0; first < in; first += TT_PANEL) {
    int count = tt_panel_width(in, first);
    if (count < TT_PANEL) memset(panels, 0, (size_t)out * TT_PANEL * sizeof *panels);
    for (int r = 0; r < out; r++, panels += TT_PANEL)
      memcpy(panels, w + r * stride + first, (size_t)count * sizeof *w);
  }
}
