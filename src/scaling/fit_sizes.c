#include "scaling/fit_sizes.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"
#include "scaling/axes.h"
#include "scaling/lettering.h"

// Points of the colour map viridis (made for matplotlib, dedicated to the public domain), which colour-blind
// people and printers in grey keep in order; without its yellow end, which is lost on white.
static const double viridis[][3] = {{0.267, 0.005, 0.329}, {0.282, 0.156, 0.471}, {0.230, 0.322, 0.546},
                                    {0.173, 0.449, 0.558}, {0.128, 0.567, 0.551}, {0.158, 0.684, 0.502},
                                    {0.369, 0.789, 0.383}, {0.678, 0.864, 0.190}};
static const double brightest = 6.5; // of the last index of `viridis`

static tt_color shade(double light) { // 0 dark .. 1 light
  double at = brightest * fmin(fmax(light, 0), 1);
  int i = (int)fmin(at, 6);
  double f = at - i;
  const double *a = viridis[i], *b = viridis[i + 1];
  return (tt_color){a[0] + f * (b[0] - a[0]), a[1] + f * (b[1] - a[1]), a[2] + f * (b[2] - a[2]), 1};
}

typedef struct {
  double value;
  bool held_out;
} entry;

static int by_value(const void *a, const void *b) {
  double x = ((const entry *)a)->value, y = ((const entry *)b)->value;
  return (x > y) - (x < y);
}

tt_status tt_fit_sizes_find(tt_fit_sizes *sizes, const tt_fit_figure *figure) {
  *sizes = (tt_fit_sizes){0};
  sizes->on_axis = tt_fit_figure_variable(figure) == TT_VARIABLE_SIZE;
  size_t all = figure->fitted_count + figure->held_out_count;
  entry *entries;
  TT_TRY(tt_alloc(&entries, all, sizeof *entries, "a figure"));
  all = 0; // without points of unknown size, which only a law without it has
  for (size_t i = 0; i < figure->fitted_count; i++)
    if (figure->fitted[i].size > 0) entries[all++].value = figure->fitted[i].size;
  for (size_t i = 0; i < figure->held_out_count; i++)
    if (figure->held_out[i].at.size > 0) entries[all++] = (entry){figure->held_out[i].at.size, true};
  qsort(entries, all, sizeof *entries, by_value);
  tt_status status = tt_alloc(&sizes->value, all, sizeof *sizes->value, "a figure");
  if (status == TT_OK) status = tt_alloc(&sizes->held_out, all, sizeof *sizes->held_out, "a figure");
  for (size_t i = 0; status == TT_OK && i < all; i++) {
    if (!sizes->count || !tt_same_size(sizes->value[sizes->count - 1], entries[i].value))
      sizes->value[sizes->count++] = entries[i].value;
    sizes->held_out[sizes->count - 1] |= entries[i].held_out;
  }
  free(entries);
  if (status != TT_OK) tt_fit_sizes_free(sizes);
  return status;
}

void tt_fit_sizes_free(tt_fit_sizes *sizes) {
  free(sizes->value);
  free(sizes->held_out);
  *sizes = (tt_fit_sizes){0};
}

tt_color tt_fit_sizes_color(const tt_fit_sizes *sizes, double size) {
  if (sizes->on_axis || sizes->count < 2 || !(size > 0)) return shade(0.35);
  if (sizes->count > TT_FIT_SIZES_NAMED) {
    double low = log(sizes->value[0]), high = log(sizes->value[sizes->count - 1]);
    return shade((high - log(size)) / (high - low));
  }
  size_t rank = 0;
  while (rank + 1 < sizes->count && !tt_same_size(sizes->value[rank], size)) rank++;
  return shade(1 - (double)rank / (double)(sizes->count - 1));
}

void tt_fit_ring(tt_canvas *canvas, tt_point centre, double radius, tt_color color) {
  tt_canvas_disc(canvas, centre, radius + 0.6, color);
  tt_canvas_disc(canvas, centre, radius - 1.1, (tt_color){1, 1, 1, 1});
}

static void draw_bar(tt_canvas *canvas, const tt_fit_sizes *sizes, tt_box box, const tt_text_style *style) {
  enum { PARTS = 64 };
  tt_axis axis = {.low = sizes->value[0],
                  .high = sizes->value[sizes->count - 1],
                  .start = box.y + fmin(box.height, 220),
                  .end = box.y};
  for (int i = 0; i < PARTS; i++) { // a little overlap, so that no white shows between two parts
    double height = (axis.start - axis.end) / PARTS, y = axis.start - height * (i + 1);
    double value = axis.low * pow(axis.high / axis.low, (i + 0.5) / PARTS);
    tt_canvas_fill(canvas, (tt_box){box.x, y, 12, i ? height + 0.3 : height},
                   tt_fit_sizes_color(sizes, value));
  }
  tt_tick ticks[TT_TICKS];
  int count = tt_axis_ticks(&axis, 20, ticks);
  for (int i = 0; i < count; i++) {
    if (!ticks[i].label[0]) continue;
    char text[32];
    double y = tt_axis_at(&axis, ticks[i].value);
    tt_lettering_number(text, sizeof text, ticks[i].value);
    tt_canvas_line(canvas, (tt_point[]){{box.x + 12, y}, {box.x + 15, y}}, 2, 0.7, style->color, NULL);
    tt_canvas_text(canvas, (tt_point){box.x + 18, y + 3.5}, style, text);
  }
}

void tt_fit_sizes_draw(tt_canvas *canvas, const tt_fit_sizes *sizes, tt_box box, const char *key) {
  const tt_color ink = {0.15, 0.15, 0.15, 1};
  if (sizes->on_axis || !sizes->count) return;
  tt_text_style style = {.size = 9.5, .color = ink};
  double y =
      tt_lettering_paragraph(canvas, (tt_point){box.x, box.y + 8}, box.width, 11.5, 0, &style, key, true);
  style.size = 10;
  if (sizes->count > TT_FIT_SIZES_NAMED) {
    draw_bar(canvas, sizes, (tt_box){box.x, y, box.width, box.y + box.height - y}, &style);
    return;
  }
  // the smallest first, since its losses stand highest
  double row = fmin(17, (box.y + box.height - y) / (double)(sizes->count + 1));
  for (size_t i = 0; i < sizes->count; i++) {
    char text[48];
    double base = y + 6 + row * (double)i;
    tt_color color = tt_fit_sizes_color(sizes, sizes->value[i]);
    tt_point middle = {box.x + 9, base - 3.5};
    tt_canvas_line(canvas, (tt_point[]){{box.x, middle.y}, {box.x + 18, middle.y}}, 2, 1.5, color, NULL);
    if (sizes->held_out[i])
      tt_fit_ring(canvas, middle, 3.2, color);
    else
      tt_canvas_disc(canvas, middle, 3.2, color);
    tt_lettering_number(text, sizeof text, sizes->value[i]);
    tt_canvas_text(canvas, (tt_point){box.x + 23, base}, &style, text);
  }
}
