#include "scaling/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "scaling/lettering.h"
#include "scaling/panel.h"

static const double sheet_width = 800, sheet_height = 500, pixels = 2;
static const tt_color ink = {0.1, 0.1, 0.1, 1}, grey = {0.4, 0.4, 0.4, 1};

// Okabe and Ito's palette, which colour-blind people can tell apart; without its yellow, which is lost on
// white.
static const tt_color palette[] = {
    {0.000, 0.447, 0.698, 1}, {0.835, 0.369, 0.000, 1}, {0.000, 0.620, 0.451, 1}, {0.800, 0.475, 0.655, 1},
    {0.902, 0.624, 0.000, 1}, {0.337, 0.706, 0.914, 1}, {0.150, 0.150, 0.150, 1},
};
enum { COLORS = sizeof palette / sizeof palette[0] };

static const char *const groups[3] = {"training-logged", "training-mean", "validation"};

static tt_color faded(tt_color color, double opacity) {
  color.opacity = opacity;
  return color;
}

static void draw_title(tt_canvas *canvas, const char *title, const char *fallback) {
  tt_text_style style = {.size = 15, .bold = true, .color = ink};
  char text[512];
  snprintf(text, sizeof text, "%s", title ? title : fallback);
  tt_lettering_cut(canvas, &style, text, sizeof text, sheet_width - 2 * 24);
  tt_canvas_text(canvas, (tt_point){24, 30}, &style, text);
}

// One entry of the legend above the frames of one run; returns where the next one starts.
static double legend_entry(tt_canvas *canvas, double x, double y, const char *text, tt_color color,
                           int kind) {
  static const double dash[2] = {4, 3};
  tt_text_style style = {.size = 10.5, .color = ink};
  tt_point line[2] = {{x, y - 3.7}, {x + 22, y - 3.7}}, middle = {x + 11, y - 3.7};
  tt_canvas_line(canvas, line, 2, kind == 1 ? 2 : 0.9, kind == 2 ? faded(color, 0.55) : color,
                 kind == 3 ? dash : NULL);
  if (kind == 2) {
    tt_canvas_line(canvas, (tt_point[]){{middle.x, y - 8.7}, {middle.x, y + 1.3}}, 2, 1, color, NULL);
    for (int end = -1; end <= 1; end += 2)
      tt_canvas_line(canvas,
                     (tt_point[]){{middle.x - 2.2, middle.y + 5 * end}, {middle.x + 2.2, middle.y + 5 * end}},
                     2, 1, color, NULL);
    tt_canvas_disc(canvas, middle, 3, color);
  }
  tt_canvas_text(canvas, (tt_point){x + 28, y}, &style, text);
  return x + 28 + tt_canvas_text_width(canvas, &style, text) + 20;
}

static tt_status draw_one(tt_canvas *canvas, const tt_curve *curve, const char *title) {
  static const struct {
    tt_term term;
    const char *heading, *y_label;
  } frames[4] = {
      {TT_TERM_TOTAL, "Total loss", "loss"},
      {TT_TERM_TOKEN, "Token", "nats per masked atom"},
      {TT_TERM_POSITION, "Position", "Å, |x| + |y| + |z| per atom"},
      {TT_TERM_DISTANCE, "Distance", "Å per pair of atoms"},
  };
  char fallback[400], size[32];
  tt_lettering_number(size, sizeof size, curve->parameters);
  snprintf(fallback, sizeof fallback, curve->parameters > 0 ? "%s (%s parameters)" : "%s", curve->name, size);
  draw_title(canvas, title, fallback);

  tt_color raw = faded(palette[0], 0.28);
  bool baselines = false;
  for (int t = 0; t < TT_TERMS; t++) baselines |= tt_curve_drawable(curve->baseline[t]);
  double x = 24, y = 51;
  if (curve->train.count) {
    char text[80];
    snprintf(text, sizeof text, "training, mean over 1/%d decade", TT_BINS_PER_DECADE);
    x = legend_entry(canvas, x, y, "training, as logged", raw, 0);
    x = legend_entry(canvas, x, y, text, palette[0], 1);
  }
  if (curve->valid.count) x = legend_entry(canvas, x, y, "validation ± standard error", palette[1], 2);
  if (baselines) legend_entry(canvas, x, y, "baseline", grey, 3);

  const double left = 74, gap = 84, top = 87, below = 55, width = (sheet_width - left - gap - 24) / 2,
               height = (sheet_height - top - below - 48) / 2;
  tt_panel_curve drawn = {.curve = curve,
                          .raw = raw,
                          .train = palette[0],
                          .valid = palette[1],
                          .train_width = 2,
                          .group = groups};
  for (int i = 0; i < 4; i++) {
    bool last_row = i >= 2;
    tt_panel panel = {
        .box = {left + (i % 2) * (width + gap), top + last_row * (height + below), width, height},
        .term = frames[i].term,
        .heading = frames[i].heading,
        .y_label = frames[i].y_label,
        .x_label = last_row ? "molecules seen" : ""};
    TT_TRY(tt_panel_draw(canvas, &panel, &drawn, 1));
  }
  return TT_OK;
}

// The legend of several runs stands beside the frame, where it can cover nothing: name, then size and last
// loss.
static void draw_runs_legend(tt_canvas *canvas, const tt_panel_curve *curves, int count, tt_box box) {
  const double row = fmin(40, (box.height - 30) / count);
  tt_text_style name = {.size = 11, .color = ink}, note = {.size = 9.5, .color = grey};
  if (row < 14) name.size = fmax(4, row * 0.8); // very many runs
  double widest = 0, room = box.width - 26;
  for (int i = 0; i < count; i++)
    widest = fmax(widest, tt_canvas_text_width(canvas, &name, curves[i].curve->name));
  // smaller letters before a cut: runs of a sweep differ in the ends of their names
  if (widest > room && name.size > 7) name.size = fmax(7, name.size * room / widest);
  bool notes = row >= 28;
  for (int i = 0; i < count; i++) {
    const tt_curve *curve = curves[i].curve;
    double y = box.y + 10 + row * i, middle = y - 0.34 * name.size; // of the letters
    char text[300], number[32];
    tt_canvas_line(canvas, (tt_point[]){{box.x, middle}, {box.x + 20, middle}}, 2, fmin(2, row / 4),
                   curves[i].train, curves[i].train_dashed ? tt_panel_dash : NULL);
    if (curve->valid.count)
      tt_canvas_disc(canvas, (tt_point){box.x + 10, middle}, fmin(3, row / 3), curves[i].valid);
    snprintf(text, sizeof text, "%s", curve->name);
    tt_lettering_cut(canvas, &name, text, sizeof text, room);
    tt_canvas_text(canvas, (tt_point){box.x + 26, y}, &name, text);
    if (!notes || curve->parameters <= 0) continue;
    tt_lettering_number(number, sizeof number, curve->parameters);
    snprintf(text, sizeof text, "%s parameters", number);
    tt_canvas_text(canvas, (tt_point){box.x + 26, y + 14}, &note, text);
  }
}

static tt_status draw_several(tt_canvas *canvas, const tt_curve *curves, int count, const char *title) {
  const double side = 175;
  char fallback[64], caption[160];
  snprintf(fallback, sizeof fallback, "Total loss of %d runs", count);
  draw_title(canvas, title, fallback);
  tt_panel_curve *drawn;
  TT_TRY(tt_alloc(&drawn, (size_t)count, sizeof *drawn, "a figure"));
  bool validated = false, trained = false;
  for (int i = 0; i < count; i++) {
    tt_color color = palette[i % COLORS];
    bool points = curves[i].valid.count > 0;
    drawn[i] = (tt_panel_curve){.curve = &curves[i],
                                .train = faded(color, points ? 0.6 : 1),
                                .valid = color,
                                .train_width = points ? 1.4 : 2,
                                .train_dashed = i / COLORS % 2 == 1,
                                .group = groups};
    validated |= points, trained |= curves[i].train.count > 0;
  }
  tt_panel panel = {.box = {74, 66, sheet_width - 74 - side - 24, sheet_height - 66 - 62},
                    .term = TT_TERM_TOTAL,
                    .heading = "",
                    .x_label = "molecules seen",
                    .y_label = "total loss"};
  tt_status status = tt_panel_draw(canvas, &panel, drawn, count);
  double right = panel.box.x + panel.box.width;
  draw_runs_legend(canvas, drawn, count,
                   (tt_box){right + 18, panel.box.y, sheet_width - right - 18 - 12, panel.box.height});
  int used = 0;
  if (trained)
    used = snprintf(caption, sizeof caption, "lines: training, mean over 1/%d decade", TT_BINS_PER_DECADE);
  if (validated)
    snprintf(caption + used, sizeof caption - (size_t)used, "%spoints: validation ± standard error",
             trained ? "; " : "");
  tt_canvas_text(canvas, (tt_point){74, 55}, &(tt_text_style){.size = 10.5, .color = grey}, caption);
  free(drawn);
  return status;
}

// Two runs of one name are told apart by the paths they were given by.
static void distinguish(tt_curve *curves, const char *const *runs, int count) {
  for (int i = 0; i < count; i++) {
    bool twice = false;
    for (int j = 0; j < count; j++) twice |= i != j && strcmp(curves[i].name, curves[j].name) == 0;
    if (!twice) continue;
    for (int j = count - 1; j >= i; j--)
      if (j == i || strcmp(curves[i].name, curves[j].name) == 0)
        snprintf(curves[j].name, sizeof curves[j].name, "%s", runs[j]);
  }
}

tt_status tt_plot_runs(const char *const *runs, int count, const char *title, const char *out) {
  tt_canvas *canvas;
  tt_curve *curves;
  if (count < 1) return tt_fail(TT_ERR_ARGUMENT, "no run to plot");
  TT_TRY(tt_canvas_check(out));
  TT_TRY(tt_canvas_create(&canvas, out, sheet_width, sheet_height, pixels));
  int read = 0;
  tt_status status = tt_alloc(&curves, (size_t)count, sizeof *curves, "a figure");
  while (status == TT_OK && read < count) {
    status = tt_curve_read(&curves[read], runs[read]);
    read += status == TT_OK;
  }
  if (status == TT_OK) {
    distinguish(curves, runs, count);
    status = count == 1 ? draw_one(canvas, curves, title) : draw_several(canvas, curves, count, title);
  }
  while (read > 0) tt_curve_free(&curves[--read]);
  free(curves);
  if (status == TT_OK) return tt_canvas_write(canvas);
  tt_canvas_free(canvas);
  return status;
}
