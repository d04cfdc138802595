#include "scaling/fit_figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "scaling/canvas.h"
#include "scaling/fit_frames.h"
#include "scaling/fit_sizes.h"
#include "scaling/lettering.h"

static const double sheet_width = 960, least_height = 560, pixels = 2;
static const double left = 70, top = 74, frame_width = 500, legend_width = 84, residual_height = 110,
                    between = 30, below = 50, notes_left = 684;
static const tt_color ink = {0.1, 0.1, 0.1, 1}, grey = {0.38, 0.38, 0.38, 1};

// The columns of "name<tab>value<tab>interval".
static double draw_row(tt_canvas *canvas, tt_point at, double leading, const tt_text_style *style,
                       const char *text, bool draw) {
  static const double stops[] = {0, 46, 118};
  char part[128];
  for (int i = 0; draw && i < 3 && text; i++) {
    const char *tab = strchr(text, '\t');
    snprintf(part, sizeof part, "%.*s", tab ? (int)(tab - text) : 120, text);
    tt_canvas_text(canvas, (tt_point){at.x + stops[i], at.y}, style, part);
    text = tab ? tab + 1 : NULL;
  }
  return at.y + leading;
}

// Writes the text from (x, y) downwards, or with `draw` false only finds how far down it goes.
static double draw_notes(tt_canvas *canvas, const tt_fit_figure *f, double x, double y, double width,
                         bool draw) {
  const tt_text_style heading = {.size = 10.5, .bold = true, .color = ink},
                      line = {.size = 9.5, .color = ink}, small = {.size = 8.5, .color = grey};
  for (int i = 0; i < f->note_count; i++) {
    const tt_fit_note *note = &f->notes[i];
    if (!note->count) continue;
    if (note->heading[0]) {
      if (draw) tt_canvas_text(canvas, (tt_point){x, y}, &heading, note->heading);
      y += 14.5;
    }
    for (int k = 0; k < note->count; k++) {
      const tt_fit_line *l = &note->lines[k];
      const tt_text_style *style = l->small ? &small : &line;
      double leading = l->small ? 11 : 12.5;
      if (k && note->lines[k - 1].small && !l->small) y += 3;
      y = strchr(l->text, '\t')
              ? draw_row(canvas, (tt_point){x, y}, leading, style, l->text, draw)
              : tt_lettering_paragraph(canvas, (tt_point){x, y}, width, leading, 8, style, l->text, draw);
    }
    y += 8;
  }
  return y;
}

// What the marks mean, in one line above the frame.
static void draw_key(tt_canvas *canvas, const tt_fit_figure *f, double x, double y) {
  static const double dash[2] = {5, 2.5};
  const tt_text_style style = {.size = 10, .color = ink};
  const tt_color mark = {0.3, 0.3, 0.3, 1}, band = {0.3, 0.3, 0.3, 0.2};
  char interval[80];
  snprintf(interval, sizeof interval, "its %.4g %% prediction interval", 100 * f->confidence);
  const char *texts[] = {"fitted", "the law", "held out", interval};
  for (int i = 0; i < (f->held_out_count ? 4 : 2); i++) {
    double width = i == 0 || i == 2 ? 8 : 20;
    tt_point middle = {x + width / 2, y - 3.5};
    tt_point line[2] = {{x, middle.y}, {x + width, middle.y}};
    if (i == 0) tt_canvas_disc(canvas, middle, 3.4, mark);
    if (i == 1) tt_canvas_line(canvas, line, 2, 1.5, mark, NULL);
    if (i == 2) tt_fit_ring(canvas, middle, 3.4, mark);
    if (i == 3) {
      tt_canvas_fill(canvas, (tt_box){x, middle.y - 4.5, width, 9}, band);
      tt_canvas_line(canvas, line, 2, 1.5, mark, dash);
    }
    tt_canvas_text(canvas, (tt_point){x + width + 5, y}, &style, texts[i]);
    x += width + 5 + tt_canvas_text_width(canvas, &style, texts[i]) + 18;
  }
}

static tt_status draw(tt_canvas *canvas, const tt_fit_figure *f, double height) {
  tt_text_style title = {.size = 15, .bold = true, .color = ink};
  char text[512];
  snprintf(text, sizeof text, "%s", f->title);
  tt_lettering_cut(canvas, &title, text, sizeof text, sheet_width - 2 * 24);
  tt_canvas_text(canvas, (tt_point){24, 30}, &title, text);
  draw_key(canvas, f, left, top - 14);

  tt_box residuals = {left, height - below - residual_height, frame_width, residual_height},
         losses = {left, top, frame_width, residuals.y - between - top};
  tt_fit_sizes sizes;
  TT_TRY(tt_fit_sizes_find(&sizes, f));
  tt_status status = tt_fit_frames_draw(canvas, f, &sizes, losses, residuals);
  if (status == TT_OK)
    tt_fit_sizes_draw(canvas, &sizes, (tt_box){left + frame_width + 14, top, legend_width, losses.height},
                      f->size_key);
  tt_fit_sizes_free(&sizes);
  draw_notes(canvas, f, notes_left, top + 8, sheet_width - notes_left - 20, true);
  return status;
}

tt_status tt_fit_figure_draw(const tt_fit_figure *figure, const char *out) {
  // the sheet is as high as its text; a scratch canvas measures it
  tt_canvas *canvas;
  TT_TRY(tt_canvas_create(&canvas, "measure.svg", 1, 1, 1));
  double bottom = draw_notes(canvas, figure, notes_left, top + 8, sheet_width - notes_left - 20, false);
  tt_canvas_free(canvas);
  double height = ceil(fmax(least_height, bottom + 10));
  TT_TRY(tt_canvas_create(&canvas, out, sheet_width, height, pixels));
  tt_status status = draw(canvas, figure, height);
  if (status == TT_OK) return tt_canvas_write(canvas);
  tt_canvas_free(canvas);
  return status;
}
