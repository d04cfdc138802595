#include "scaling/axes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const tt_color ink = {0.15, 0.15, 0.15, 1}, frame = {0.45, 0.45, 0.45, 1},
                      grid = {0.90, 0.90, 0.90, 1}, fine_grid = {0.955, 0.955, 0.955, 1};

void tt_axis_range(tt_axis *axis, double low, double high, double margin) {
  double a = log10(low), b = log10(high);
  double pad = fmax((b - a) * margin, (log10(1.25) - (b - a)) / 2);
  axis->low = pow(10, a - pad);
  axis->high = pow(10, b + pad);
}

double tt_axis_at(const tt_axis *axis, double value) {
  if (axis->linear)
    return axis->start + (axis->end - axis->start) * (value - axis->low) / (axis->high - axis->low);
  return axis->start + (axis->end - axis->start) * log(value / axis->low) / log(axis->high / axis->low);
}

static bool inside(const tt_axis *axis, double value) {
  double low = 1e-9 * axis->low, high = 1e-9 * axis->high; // what rounding may do
  if (axis->linear) low = high = 1e-9 * (axis->high - axis->low);
  return value >= axis->low - low && value <= axis->high + high;
}

static void power_of_ten(char *label, size_t size, int mantissa, int exponent) {
  static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  size_t used = 0;
  if (mantissa > 1) used = (size_t)snprintf(label, size, "%d×", mantissa);
  used += (size_t)snprintf(label + used, size - used, "10%s", exponent < 0 ? "⁻" : "");
  int e = exponent < 0 ? -exponent : exponent;
  if (e >= 10) used += (size_t)snprintf(label + used, size - used, "%s", digits[e / 10 % 10]);
  snprintf(label + used, size - used, "%s", digits[e % 10]);
}

// "0.25", "−12", "20,000": `decimals` after the point, thousands apart.
static void plain(char *label, size_t size, double value, int decimals) {
  char digits[32];
  snprintf(digits, sizeof digits, "%.*f", decimals, fabs(value));
  size_t whole = strcspn(digits, "."), used = 0;
  if (value < 0) used = (size_t)snprintf(label, size, "−");
  for (size_t i = 0; digits[i] && used + 2 < size; i++) {
    if (i && i < whole && (whole - i) % 3 == 0) label[used++] = ',';
    label[used++] = digits[i];
  }
  label[used] = 0;
}

// Numbers m x 10^e for each m of `mantissas` (a string of digits), labelled where m is in `labelled`.
static int decade_ticks(const tt_axis *axis, const char *labelled, tt_tick *ticks, int *labels) {
  int count = 0;
  *labels = 0;
  bool scientific = axis->high >= 1e6 || axis->low < 1e-3 || (!labelled[1] && axis->high >= 2e4);
  for (int e = (int)floor(log10(axis->low)); e <= (int)floor(log10(axis->high)); e++)
    for (int m = 1; m <= 9; m++) {
      double value = m * pow(10, e);
      if (!inside(axis, value) || count == TT_TICKS) continue;
      tt_tick *tick = &ticks[count++];
      *tick = (tt_tick){.value = value};
      if (!strchr(labelled, '0' + m)) continue;
      if (scientific)
        power_of_ten(tick->label, sizeof tick->label, m, e);
      else
        plain(tick->label, sizeof tick->label, value, e < 0 ? -e : 0);
      ++*labels;
    }
  return count;
}

static double shorter_step(double step) { // 10, 5, 2, 1, 0.5, ...
  bool five = lround(step / pow(10, floor(log10(step) + 1e-9))) == 5;
  return five ? step / 2.5 : step / 2;
}

// Equal steps of a round size, for an axis too short to show round numbers otherwise: about `labels` of them,
// no fewer than three.
static int step_ticks(const tt_axis *axis, int labels, tt_tick *ticks) {
  double step = pow(10, ceil(log10(axis->high - axis->low)));
  while (shorter_step(step) * labels > axis->high - axis->low ||
         floor(axis->high / step + 1e-9) - ceil(axis->low / step - 1e-9) < 2)
    step = shorter_step(step);
  int parts = lround(step / pow(10, floor(log10(step) + 1e-9))) == 2 ? 4 : 5,
      count = 0; // minor steps are round too
  int decimals = (int)fmax(0, -floor(log10(step) + 1e-9));
  for (long i = lround(ceil(axis->low / step * parts - 1e-9)); count < TT_TICKS; i++) {
    double value = (double)i * step / parts; // 0 is exactly 0
    if (!inside(axis, value)) break;
    tt_tick *tick = &ticks[count++];
    *tick = (tt_tick){.value = value};
    if (i % parts == 0) plain(tick->label, sizeof tick->label, value, decimals);
  }
  return count;
}

int tt_axis_ticks(const tt_axis *axis, double room, tt_tick *ticks) {
  // the sets of digits, and the shortest way from one of their numbers to the next, in decades
  static const struct {
    const char *digits;
    double gap;
  } candidates[] = {{"1", 1}, {"125", 0.301}, {"13", 0.477}};
  double decade = axis->linear ? 0 : fabs(axis->end - axis->start) / log10(axis->high / axis->low);
  for (int i = 0; i < 3 && !axis->linear; i++) {
    int labelled, count = decade_ticks(axis, candidates[i].digits, ticks, &labelled);
    if (labelled < 3 || (i > 0 && candidates[i].gap * decade < room)) continue;
    // a very long axis: every second, third, ... power of ten keeps its number
    int every = (int)fmax(1, ceil(room / (candidates[i].gap * decade))), seen = 0;
    for (int t = 0; t < count; t++)
      if (ticks[t].label[0] && seen++ % every) ticks[t].label[0] = 0;
    return count;
  }
  return step_ticks(axis, (int)fmax(3, fabs(axis->end - axis->start) / (1.6 * room)), ticks);
}

static void grid_lines(tt_canvas *canvas, const tt_axis *axis, const tt_axis *across, bool vertical,
                       const tt_tick *ticks, int count) {
  for (int major = 0; major <= 1; major++) // the stronger lines on top
    for (int i = 0; i < count; i++) {
      if ((ticks[i].label[0] != 0) != major) continue;
      double p = tt_axis_at(axis, ticks[i].value);
      tt_point line[2] = {{p, across->start}, {p, across->end}};
      if (!vertical) line[0] = (tt_point){across->start, p}, line[1] = (tt_point){across->end, p};
      tt_canvas_line(canvas, line, 2, 0.6, major ? grid : fine_grid, NULL);
    }
}

static void tick_marks(tt_canvas *canvas, const tt_axis *axis, const tt_axis *across, bool vertical,
                       const tt_tick *ticks, int count, const tt_text_style *style) {
  double taken = -INFINITY; // up to here along the x axis by the number before
  for (int i = 0; i < count; i++) {
    double p = tt_axis_at(axis, ticks[i].value), edge = across->start, length = ticks[i].label[0] ? 4 : 2.2;
    tt_point mark[2] = {{p, edge}, {p, edge + length}};
    if (!vertical) mark[0] = (tt_point){edge, p}, mark[1] = (tt_point){edge - length, p};
    tt_canvas_line(canvas, mark, 2, 0.7, frame, NULL);
    tt_point at =
        vertical ? (tt_point){p, edge + 6 + style->size} : (tt_point){edge - 7, p + 0.36 * style->size};
    if (!ticks[i].label[0]) continue;
    if (vertical) { // steps of a logarithmic axis get narrow; a number that would touch the last one is left
                    // out
      double half = tt_canvas_text_width(canvas, style, ticks[i].label) / 2;
      if (p - half < taken + 5) continue;
      taken = p + half;
    }
    tt_canvas_text(canvas, at, style, ticks[i].label);
  }
}

static double widest_number(tt_canvas *canvas, const tt_tick *ticks, int count, const tt_text_style *style) {
  double widest = 0;
  for (int i = 0; i < count; i++)
    if (ticks[i].label[0]) widest = fmax(widest, tt_canvas_text_width(canvas, style, ticks[i].label));
  return widest;
}

void tt_axes_draw(tt_canvas *canvas, const tt_axis *x, const tt_axis *y, const char *x_label,
                  const char *y_label) {
  tt_tick x_ticks[TT_TICKS], y_ticks[TT_TICKS];
  int nx = tt_axis_ticks(x, 36, x_ticks);
  int ny = tt_axis_ticks(y, 20, y_ticks);
  grid_lines(canvas, x, y, true, x_ticks, nx);
  grid_lines(canvas, y, x, false, y_ticks, ny);
  tt_text_style number = {.size = 10, .color = ink, .anchor = TT_ANCHOR_MIDDLE};
  tick_marks(canvas, x, y, true, x_ticks, nx, &number);
  number.anchor = TT_ANCHOR_END;
  // what the y axis is called keeps clear of its numbers, and these leave it room on the sheet
  const double most = 46, widest = widest_number(canvas, y_ticks, ny, &number);
  if (widest > most) number.size *= most / widest;
  tick_marks(canvas, y, x, false, y_ticks, ny, &number);
  tt_point box[5] = {
      {x->start, y->start}, {x->end, y->start}, {x->end, y->end}, {x->start, y->end}, {x->start, y->start}};
  tt_canvas_line(canvas, box, 5, 0.8, frame, NULL);
  tt_text_style label = {.size = 11, .color = ink, .anchor = TT_ANCHOR_MIDDLE};
  tt_canvas_text(canvas, (tt_point){(x->start + x->end) / 2, y->start + 35}, &label, x_label);
  label.turn = -90;
  tt_canvas_text(canvas, (tt_point){x->start - fmax(44, fmin(widest, most) + 13), (y->start + y->end) / 2},
                 &label, y_label);
}
