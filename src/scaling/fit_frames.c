#include "scaling/fit_frames.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "scaling/axes.h"

static const tt_color ink = {0.1, 0.1, 0.1, 1};
enum { CURVE_POINTS = 160, BAR_CURVES = 7, RESIDUAL_BARS = 16 }; // BAR_CURVES: curves beside a colour bar

typedef struct {
  const tt_fit_figure *figure;
  const tt_fit_sizes *sizes;
  tt_variable variable; // of the x axis
  bool by_size;         // a curve a size; else one curve
  double radius;        // of a point
  double aside;         // residuals: how far one size stands right of the size before
  tt_axis x, loss, residual;
} frames;

static bool uses(const tt_law *law, tt_variable variable) {
  for (int k = 0; k < law->terms; k++)
    if (law->variable[k] == variable) return true;
  return false;
}

static void widen(double *range, double value) {
  if (!(value > 0) || !isfinite(value)) return;
  range[0] = fmin(range[0], value);
  range[1] = fmax(range[1], value);
}

static void include(tt_axis *axis, double value) {
  if (!isfinite(value)) return;
  axis->low = fmin(axis->low, value);
  axis->high = fmax(axis->high, value);
}

static void ranges_of(const tt_fit_figure *f, tt_variable variable, double *range) {
  range[0] = INFINITY, range[1] = 0;
  for (size_t i = 0; i < f->fitted_count; i++) widen(range, tt_variable_value(variable, &f->fitted[i]));
  for (size_t i = 0; i < f->held_out_count; i++)
    widen(range, tt_variable_value(variable, &f->held_out[i].at));
}

tt_variable tt_fit_figure_variable(const tt_fit_figure *f) {
  static const tt_variable trained[] = {TT_VARIABLE_SAMPLES, TT_VARIABLE_STEPS, TT_VARIABLE_FLOPS};
  tt_variable chosen = TT_VARIABLE_SIZE;
  for (int k = 0; k < 3; k++)
    if (uses(f->law, trained[k])) chosen = trained[k];
  double range[2];
  ranges_of(f, chosen, range);
  // last points of runs of one length stand at one place, and only size spreads them
  if (uses(f->law, TT_VARIABLE_SIZE) && !(range[1] > 1.3 * range[0])) {
    ranges_of(f, TT_VARIABLE_SIZE, range);
    if (range[1] > 1.3 * range[0]) chosen = TT_VARIABLE_SIZE;
  }
  return chosen;
}

static double law_at(const frames *l, tt_observation at, double x) {
  switch (l->variable) {
  case TT_VARIABLE_SAMPLES:
    at.samples = x;
    break;
  case TT_VARIABLE_STEPS:
    at.steps = x;
    break;
  case TT_VARIABLE_FLOPS:
    at.flops = x;
    break;
  default:
    at.size = x;
  }
  return tt_law_predict(l->figure->law, l->figure->theta, &at);
}

static double x_of(const frames *l, const tt_observation *at) {
  return tt_variable_value(l->variable, at);
}

static void set_ranges(frames *l) {
  const tt_fit_figure *f = l->figure;
  double xs[2], ys[2] = {INFINITY, 0};
  l->residual = (tt_axis){.linear = true}; // 0 is in it
  ranges_of(f, l->variable, xs);
  for (size_t i = 0; i < f->fitted_count; i++) {
    widen(ys, f->fitted[i].loss);
    include(&l->residual, log(f->fitted[i].loss / tt_law_predict(f->law, f->theta, &f->fitted[i])));
  }
  for (size_t i = 0; i < f->held_out_count; i++) {
    const tt_holdout_point *p = &f->held_out[i];
    widen(ys, p->at.loss), widen(ys, p->predicted.loss);
    include(&l->residual, log(p->at.loss / p->predicted.loss));
    // an interval that says nothing must not squeeze the points
    if (!(p->predicted.measured.high < 3 * p->predicted.measured.low)) continue;
    widen(ys, p->predicted.measured.low), widen(ys, p->predicted.measured.high);
    include(&l->residual, log(p->predicted.measured.low / p->predicted.loss));
    include(&l->residual, log(p->predicted.measured.high / p->predicted.loss));
  }
  tt_axis_range(&l->x, xs[0], xs[1], 0.045);
  tt_axis_range(&l->loss, ys[0], ys[1], 0.06);
  double margin = fmax(0.09 * (l->residual.high - l->residual.low), 1e-6); // of an exact fit too
  l->residual.low -= margin, l->residual.high += margin;
}

// The law from `from` to `to` at this size (or, for the law's one curve, at these other variables).
static void draw_curve(tt_canvas *canvas, const frames *l, const tt_observation *at, double from, double to,
                       double width, tt_color color, const double *dash) {
  tt_point line[CURVE_POINTS];
  size_t n = 0;
  if (!(to > from)) return;
  for (int i = 0; i < CURVE_POINTS; i++) {
    double x = from * pow(to / from, i / (CURVE_POINTS - 1.0)), y = law_at(l, *at, x);
    if (y > 0 && isfinite(y)) line[n++] = (tt_point){tt_axis_at(&l->x, x), tt_axis_at(&l->loss, y)};
  }
  tt_canvas_line(canvas, line, n, width, color, dash);
}

// A size's curve is drawn strong where it has points, and faint where the law goes beyond them.
static void draw_size_curve(tt_canvas *canvas, const frames *l, double size, bool held_out) {
  static const double dash[2] = {5, 2.5}, dots[2] = {1.5, 2.5};
  const tt_fit_figure *f = l->figure;
  double own[2] = {INFINITY, 0};
  for (size_t i = 0; i < f->fitted_count; i++)
    if (tt_same_size(f->fitted[i].size, size)) widen(own, x_of(l, &f->fitted[i]));
  for (size_t i = 0; i < f->held_out_count; i++)
    if (tt_same_size(f->held_out[i].at.size, size)) widen(own, x_of(l, &f->held_out[i].at));
  tt_color color = tt_fit_sizes_color(l->sizes, size), faint = color;
  faint.opacity = 0.75;
  tt_observation at = {.size = size};
  draw_curve(canvas, l, &at, l->x.low, fmin(own[0], l->x.high), 0.9, faint, dots);
  draw_curve(canvas, l, &at, own[0], own[1], 1.5, color, held_out ? dash : NULL);
  draw_curve(canvas, l, &at, fmax(own[1], l->x.low), l->x.high, 0.9, faint, dots);
}

static void draw_curves(tt_canvas *canvas, const frames *l) {
  const tt_fit_sizes *s = l->sizes;
  const tt_fit_figure *f = l->figure;
  if (!l->by_size) {
    double own[2];
    ranges_of(f, l->variable, own);
    const tt_observation *any = f->fitted_count ? &f->fitted[0] : &f->held_out[0].at;
    draw_curve(canvas, l, any, l->x.low, l->x.high, 1.5, ink, NULL);
  } else if (s->count > TT_FIT_SIZES_NAMED) {
    for (int i = 0; i < BAR_CURVES; i++) {
      tt_observation at = {.size = s->value[0] *
                                   pow(s->value[s->count - 1] / s->value[0], i / (BAR_CURVES - 1.0))};
      draw_curve(canvas, l, &at, l->x.low, l->x.high, 1, tt_fit_sizes_color(s, at.size), NULL);
    }
  } else
    for (size_t i = 0; i < s->count; i++) draw_size_curve(canvas, l, s->value[i], s->held_out[i]);
}

// Sizes that were trained to the same places would hide each other's residuals: there they stand side by
// side, the smallest left, no wider than half the way to the next place.
static void set_aside(frames *l) {
  enum { PLACES = 24 };
  const double most = 6;
  const tt_fit_figure *f = l->figure;
  double at[PLACES], gap = INFINITY, edge = INFINITY;
  int places = 0;
  if (!l->by_size || l->sizes->count < 2 || l->sizes->count > TT_FIT_SIZES_NAMED) return;
  for (size_t i = 0; i < f->fitted_count; i++) {
    double x = tt_axis_at(&l->x, x_of(l, &f->fitted[i]));
    int k = 0;
    while (k < places && fabs(at[k] - x) > 0.5) k++;
    if (k < places) continue;
    edge = fmin(edge, fmin(x - l->x.start, l->x.end - x));
    if (places == PLACES) return; // spread out already
    at[places++] = x;
  }
  for (int i = 0; i < places; i++)
    for (int k = 0; k < i; k++) gap = fmin(gap, fabs(at[i] - at[k]));
  double room = fmin(0.5 * gap, 2 * (edge - l->radius - 1));
  double step = fmin(most, room / (double)(l->sizes->count - 1));
  l->aside = step >= 1 ? step : 0;
}

static double aside(const frames *l, double size) {
  size_t rank = 0;
  while (rank + 1 < l->sizes->count && !tt_same_size(l->sizes->value[rank], size)) rank++;
  return l->aside * ((double)rank - 0.5 * (double)(l->sizes->count - 1));
}

typedef struct {
  double x, low, high;
} bar;

static int by_x(const void *a, const void *b) {
  double x = ((const bar *)a)->x, y = ((const bar *)b)->x;
  return (x > y) - (x < y);
}

static void draw_bar(tt_canvas *canvas, bar b, double width, tt_color color) {
  const double half = 2.6;
  tt_canvas_line(canvas, (tt_point[]){{b.x, b.low}, {b.x, b.high}}, 2, width, color, NULL);
  for (int end = 0; end < 2; end++) {
    double y = end ? b.high : b.low;
    tt_canvas_line(canvas, (tt_point[]){{b.x - half, y}, {b.x + half, y}}, 2, width, color, NULL);
  }
}

// Prediction intervals of one held-out size: a band where it has points at several places of the x axis, else
// bars; of many sizes always bars, and few of them among residuals, which stand aside with their points.
static void draw_size_intervals(tt_canvas *canvas, const frames *l, double size, bar *bars, tt_point *outline,
                                bool residual) {
  const tt_fit_figure *f = l->figure;
  const tt_axis *y = residual ? &l->residual : &l->loss;
  size_t n = 0;
  for (size_t i = 0; i < f->held_out_count; i++) {
    const tt_holdout_point *p = &f->held_out[i];
    tt_range r = p->predicted.measured;
    if (!tt_same_size(p->at.size, size) || !(r.low > 0) || !isfinite(r.high)) continue;
    if (residual) r = (tt_range){log(r.low / p->predicted.loss), log(r.high / p->predicted.loss)};
    bars[n++] = (bar){tt_axis_at(&l->x, x_of(l, &p->at)) + (residual ? aside(l, size) : 0),
                      tt_axis_at(y, r.low), tt_axis_at(y, r.high)};
  }
  if (!n) return;
  tt_color color = tt_fit_sizes_color(l->sizes, size);
  qsort(bars, n, sizeof *bars, by_x);
  bool one_place = bars[n - 1].x - bars[0].x < 8;
  if (one_place || l->sizes->count > TT_FIT_SIZES_NAMED || (residual && n <= RESIDUAL_BARS)) {
    color.opacity = 0.6;
    for (size_t i = 0; i < n; i++) draw_bar(canvas, bars[i], 1.2, color);
    return;
  }
  color.opacity = 0.17;
  for (size_t i = 0; i < n; i++) {
    outline[i] = (tt_point){bars[i].x, bars[i].high};
    outline[2 * n - 1 - i] = (tt_point){bars[i].x, bars[i].low};
  }
  tt_canvas_area(canvas, outline, 2 * n, color);
}

static tt_status draw_intervals(tt_canvas *canvas, const frames *l, bool residual) {
  size_t count = l->figure->held_out_count;
  bar *bars = NULL;
  tt_point *outline = NULL;
  if (!count) return TT_OK;
  tt_status status = tt_alloc(&bars, count, sizeof *bars, "a figure");
  if (status == TT_OK) status = tt_alloc(&outline, 2 * count, sizeof *outline, "a figure");
  for (size_t i = 0; status == TT_OK && i < l->sizes->count; i++)
    if (l->sizes->held_out[i]) draw_size_intervals(canvas, l, l->sizes->value[i], bars, outline, residual);
  free(bars);
  free(outline);
  return status;
}

static tt_status draw_losses(tt_canvas *canvas, const frames *l, tt_box box) {
  const tt_fit_figure *f = l->figure;
  tt_axes_draw(canvas, &l->x, &l->loss, "", f->y_label);
  tt_canvas_begin(canvas, box, "interval", "prediction intervals");
  tt_status status = draw_intervals(canvas, l, false);
  tt_canvas_end(canvas);
  TT_TRY(status);
  tt_canvas_begin(canvas, box, "law", f->law->formula);
  draw_curves(canvas, l);
  tt_canvas_end(canvas);
  tt_canvas_begin(canvas, box, "fitted", "points that were fitted");
  for (size_t i = 0; i < f->fitted_count; i++)
    tt_canvas_disc(
        canvas,
        (tt_point){tt_axis_at(&l->x, x_of(l, &f->fitted[i])), tt_axis_at(&l->loss, f->fitted[i].loss)},
        l->radius, tt_fit_sizes_color(l->sizes, f->fitted[i].size));
  tt_canvas_end(canvas);
  tt_canvas_begin(canvas, box, "held-out", "points that were held out");
  for (size_t i = 0; i < f->held_out_count; i++) {
    const tt_observation *at = &f->held_out[i].at;
    tt_fit_ring(canvas, (tt_point){tt_axis_at(&l->x, x_of(l, at)), tt_axis_at(&l->loss, at->loss)}, l->radius,
                tt_fit_sizes_color(l->sizes, at->size));
  }
  tt_canvas_end(canvas);
  return TT_OK;
}

static tt_status draw_residuals(tt_canvas *canvas, const frames *l, tt_box box) {
  const tt_fit_figure *f = l->figure;
  static const char *const names[TT_VARIABLES] = {"size", "samples", "steps", "training FLOPs", ""};
  tt_axes_draw(canvas, &l->x, &l->residual, f->x_label[0] ? f->x_label : names[l->variable],
               "ln(loss / law)");
  double zero = tt_axis_at(&l->residual, 0);
  tt_canvas_begin(canvas, box, "residuals", "residuals of log loss");
  tt_status status = draw_intervals(canvas, l, true);
  tt_canvas_line(canvas, (tt_point[]){{box.x, zero}, {box.x + box.width, zero}}, 2, 0.9, ink, NULL);
  for (size_t i = 0; i < f->fitted_count; i++) {
    double r = log(f->fitted[i].loss / tt_law_predict(f->law, f->theta, &f->fitted[i]));
    tt_canvas_disc(canvas,
                   (tt_point){tt_axis_at(&l->x, x_of(l, &f->fitted[i])) + aside(l, f->fitted[i].size),
                              tt_axis_at(&l->residual, r)},
                   l->radius, tt_fit_sizes_color(l->sizes, f->fitted[i].size));
  }
  for (size_t i = 0; i < f->held_out_count; i++) {
    const tt_holdout_point *p = &f->held_out[i];
    double r = log(p->at.loss / p->predicted.loss);
    tt_fit_ring(
        canvas,
        (tt_point){tt_axis_at(&l->x, x_of(l, &p->at)) + aside(l, p->at.size), tt_axis_at(&l->residual, r)},
        l->radius, tt_fit_sizes_color(l->sizes, p->at.size));
  }
  tt_canvas_end(canvas);
  return status;
}

tt_status tt_fit_frames_draw(tt_canvas *canvas, const tt_fit_figure *figure, const tt_fit_sizes *sizes,
                             tt_box losses, tt_box residuals) {
  size_t points = figure->fitted_count + figure->held_out_count;
  if (!points) return tt_fail(TT_ERR_ARGUMENT, "a figure of a fitted law needs a point");
  frames l = {.figure = figure, .sizes = sizes, .variable = tt_fit_figure_variable(figure)};
  l.by_size = l.variable != TT_VARIABLE_SIZE && sizes->count > 0 &&
              (uses(figure->law, TT_VARIABLE_SIZE) || uses(figure->law, TT_VARIABLE_SIZE_STEPS));
  l.radius = points <= 60 ? 3.4 : points <= 400 ? 2.7 : 2;
  set_ranges(&l);
  l.x.start = losses.x, l.x.end = losses.x + losses.width;
  l.loss.start = losses.y + losses.height, l.loss.end = losses.y;
  l.residual.start = residuals.y + residuals.height, l.residual.end = residuals.y;
  set_aside(&l);
  TT_TRY(draw_losses(canvas, &l, losses));
  return draw_residuals(canvas, &l, residuals);
}
