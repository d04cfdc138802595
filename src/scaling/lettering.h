// What is written on figures: short numbers, and text that keeps to its place.
#ifndef TT_SCALING_LETTERING_H
#define TT_SCALING_LETTERING_H

#include "scaling/canvas.h"

// "197,964" is hard to compare at a glance: "198k", "84.1M", "1.13B"; above 999T "6.8e18". Three digits.
void tt_lettering_number(char *text, size_t size, double value);

// Cuts `text` with "…" so that it is at most `width` wide.
void tt_lettering_cut(tt_canvas *canvas, const tt_text_style *style, char *text, size_t size, double width);

// Writes `text` from `at` (the first base line) downwards in lines at most `width` wide and `leading` apart,
// broken at spaces; lines after the first start `indent` further in. A word wider than a line is cut with
// "…". Returns the base line that comes next. With `draw` false nothing is written: how high it will be.
double tt_lettering_paragraph(tt_canvas *canvas, tt_point at, double width, double leading, double indent,
                              const tt_text_style *style, const char *text, bool draw);

#endif
