#include "scaling/lettering.h"

#include <stdio.h>
#include <string.h>

void tt_lettering_number(char *text, size_t size, double value) {
  static const char *const units[] = {"", "k", "M", "B", "T"};
  int unit = 0;
  if (value >= 999.5e12) {
    snprintf(text, size, "%.2g", value);
    return;
  }
  for (; value >= 999.5 && unit < 4; unit++) value /= 1000;
  snprintf(text, size, "%.3g%s", value, units[unit]);
}

void tt_lettering_cut(tt_canvas *canvas, const tt_text_style *style, char *text, size_t size, double width) {
  size_t length = strlen(text);
  while (length && tt_canvas_text_width(canvas, style, text) > width) {
    do length--;
    while (length && ((unsigned char)text[length] & 0xc0) == 0x80); // not inside a UTF-8 letter
    snprintf(text + length, size - length, "…");
  }
}

double tt_lettering_paragraph(tt_canvas *canvas, tt_point at, double width, double leading, double indent,
                              const tt_text_style *style, const char *text, bool draw) {
  char line[512];
  while (*text == ' ') text++;
  while (*text) {
    // the longest run of words that fits; one word at least
    size_t taken = 0;
    for (size_t end = 0; text[end];) {
      end += strspn(text + end, " ");
      end += strcspn(text + end, " ");
      if (end >= sizeof line - 4) {
        if (!taken) taken = sizeof line - 5;
        break;
      }
      memcpy(line, text, end);
      line[end] = 0;
      if (taken && tt_canvas_text_width(canvas, style, line) > width) break;
      taken = end;
    }
    memcpy(line, text, taken);
    line[taken] = 0;
    tt_lettering_cut(canvas, style, line, sizeof line, width);
    if (draw) tt_canvas_text(canvas, at, style, line);
    at.y += leading;
    if (indent > 0) at.x += indent, width -= indent, indent = 0;
    text += taken;
    while (*text == ' ') text++;
  }
  return at.y;
}
