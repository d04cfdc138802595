// A sheet to draw on: cairo paints it for PNG files; SVG files get the same shapes as markup, with text kept
// as text (cairo's own SVG files hold outlines of letters, which nobody can search, edit or restyle).
//
// Lengths are in points of the sheet, y grows downwards.
#ifndef TT_SCALING_CANVAS_H
#define TT_SCALING_CANVAS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

typedef struct {
  double red, green, blue, opacity; // 0..1
} tt_color;

typedef struct {
  double x, y;
} tt_point;

typedef struct {
  double x, y, width, height;
} tt_box;

typedef enum { TT_ANCHOR_START, TT_ANCHOR_MIDDLE, TT_ANCHOR_END } tt_anchor;

typedef struct {
  double size;
  bool bold;
  tt_color color;
  tt_anchor anchor;
  double turn; // degrees clockwise
} tt_text_style;

typedef struct tt_canvas tt_canvas;

// Whether a picture can be written to `path`, before there is one: TT_ERR_ARGUMENT for an ending that is
// neither .png nor .svg, TT_ERR_IO as tt_file_target.
tt_status tt_canvas_check(const char *path);

// A white sheet. The file's kind follows from `path`: ".png" (`scale` pixels a point) or ".svg"; another
// ending is TT_ERR_ARGUMENT. TT_ERR_MEMORY.
tt_status tt_canvas_create(tt_canvas **canvas, const char *path, double width, double height, double scale);

void tt_canvas_line(tt_canvas *canvas, const tt_point *points, size_t count, double width, tt_color color,
                    const double dash[2]); // dash: lengths of stroke and gap, or NULL

// What a closed line round `points` holds.
void tt_canvas_area(tt_canvas *canvas, const tt_point *points, size_t count, tt_color color);

// A disc with a thin white rim, so that it stands out from lines below it.
void tt_canvas_disc(tt_canvas *canvas, tt_point centre, double radius, tt_color color);

void tt_canvas_fill(tt_canvas *canvas, tt_box box, tt_color color);

// `at` is the start, middle or end of the text's base line. Bytes that are no UTF-8 are written as "\xHH",
// here and in titles.
void tt_canvas_text(tt_canvas *canvas, tt_point at, const tt_text_style *style, const char *text);

double tt_canvas_text_width(tt_canvas *canvas, const tt_text_style *style, const char *text);

// What is drawn up to tt_canvas_end is cut at `box` and, in an SVG, is a group with this class and title.
void tt_canvas_begin(tt_canvas *canvas, tt_box box, const char *group, const char *title);
void tt_canvas_end(tt_canvas *canvas);

// Writes the file given to tt_canvas_create, all or nothing, and frees the canvas in any case. TT_ERR_IO.
tt_status tt_canvas_write(tt_canvas *canvas);

void tt_canvas_free(tt_canvas *canvas);

#endif
