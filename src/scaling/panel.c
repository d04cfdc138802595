#include "scaling/panel.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

const double tt_panel_dash[2] = {5, 2.5};

// What will be drawn, gathered first because the ranges of the axes follow from it. Means are kept as
// numbers; the points of a label's surroundings are looked up in them.
typedef struct {
  size_t count;
  double *x, *y;
} means;

typedef struct {
  const tt_panel *panel;
  const tt_panel_curve *curves;
  int count;
  means *mean; // [count]
  tt_axis x, y;
} layout;

static void widen(double *range, double value) {
  if (!tt_curve_drawable(value)) return;
  range[0] = fmin(range[0], value);
  range[1] = fmax(range[1], value);
}

static void widen_by(const layout *l, int i, double *xs, double *ys) {
  const tt_panel_curve *c = &l->curves[i];
  tt_term term = l->panel->term;
  const tt_series *train = &c->curve->train, *valid = &c->curve->valid;
  for (size_t k = 0; k < train->count && c->raw.opacity > 0; k++) {
    if (!tt_curve_drawable(train->value[term][k])) continue;
    widen(xs, train->samples[k]);
    widen(ys, train->value[term][k]);
  }
  for (size_t k = 0; k < l->mean[i].count; k++) widen(xs, l->mean[i].x[k]), widen(ys, l->mean[i].y[k]);
  for (size_t k = 0; k < valid->count; k++) {
    double v = valid->value[term][k], e = valid->error[term][k];
    if (!tt_curve_drawable(v)) continue;
    widen(xs, valid->samples[k]);
    widen(ys, v);
    if (tt_curve_drawable(e) && e < v / 2) widen(ys, v - e), widen(ys, v + e);
  }
  widen(ys, c->curve->baseline[term]);
}

static tt_point at(const layout *l, double x, double y) {
  return (tt_point){tt_axis_at(&l->x, x), tt_axis_at(&l->y, y)};
}

// The logged points within one narrow column of the sheet.
typedef struct {
  double index;
  size_t count;
  tt_point first, lowest, highest, last;
} column;

static size_t flush_column(const column *c, tt_point *line) {
  size_t n = 0;
  if (c->count > 0) line[n++] = c->first;
  if (c->count > 2) line[n++] = c->lowest;
  if (c->count > 3) line[n++] = c->highest;
  if (c->count > 1) line[n++] = c->last;
  return n;
}

// The logged points as one line. A log may hold a million of them: of each third of a point of the sheet only
// the first, lowest, highest and last are kept, which paints the same picture.
static tt_status draw_raw(tt_canvas *canvas, const layout *l, const tt_panel_curve *c) {
  const tt_series *s = &c->curve->train;
  const double *values = s->value[l->panel->term];
  if (c->raw.opacity <= 0 || !s->count) return TT_OK;
  tt_point *line;
  TT_TRY(tt_alloc(&line, s->count, sizeof *line, "a curve"));
  size_t n = 0;
  column now = {0};
  for (size_t i = 0; i < s->count; i++) {
    if (!tt_curve_drawable(values[i])) continue;
    tt_point p = at(l, s->samples[i], values[i]);
    double index = floor(3 * p.x);
    if (!now.count || index != now.index) {
      n += flush_column(&now, line + n);
      now = (column){index, 0, p, p, p, p};
    }
    now.count++;
    if (p.y > now.lowest.y) now.lowest = p;
    if (p.y < now.highest.y) now.highest = p;
    now.last = p;
  }
  n += flush_column(&now, line + n);
  tt_canvas_line(canvas, line, n, 0.7, c->raw, NULL);
  free(line);
  return TT_OK;
}

static tt_status draw_mean(tt_canvas *canvas, const layout *l, int i) {
  const tt_panel_curve *c = &l->curves[i];
  tt_point *line;
  TT_TRY(tt_alloc(&line, l->mean[i].count, sizeof *line, "a curve"));
  for (size_t k = 0; k < l->mean[i].count; k++) line[k] = at(l, l->mean[i].x[k], l->mean[i].y[k]);
  tt_canvas_line(canvas, line, l->mean[i].count, c->train_width, c->train,
                 c->train_dashed ? tt_panel_dash : NULL);
  free(line);
  return TT_OK;
}

static tt_status draw_valid(tt_canvas *canvas, const layout *l, const tt_panel_curve *c) {
  const tt_series *s = &c->curve->valid;
  const double *values = s->value[l->panel->term], *errors = s->error[l->panel->term];
  tt_point *line;
  size_t n = 0;
  TT_TRY(tt_alloc(&line, s->count, sizeof *line, "a curve"));
  for (size_t i = 0; i < s->count; i++)
    if (tt_curve_drawable(values[i])) line[n++] = at(l, s->samples[i], values[i]);
  tt_color joined = c->valid;
  joined.opacity *= 0.55;
  tt_canvas_line(canvas, line, n, 1, joined, NULL);
  for (size_t i = 0; i < s->count; i++) {
    double v = values[i], e = errors[i];
    if (!tt_curve_drawable(v) || !tt_curve_drawable(e)) continue;
    double bottom = tt_curve_drawable(v - e) ? tt_axis_at(&l->y, v - e) : l->y.start;
    tt_point top = at(l, s->samples[i], v + e);
    const double half = 2.2;
    tt_canvas_line(canvas, (tt_point[]){{top.x, bottom}, top}, 2, 1, c->valid, NULL);
    tt_canvas_line(canvas, (tt_point[]){{top.x - half, top.y}, {top.x + half, top.y}}, 2, 1, c->valid, NULL);
    tt_canvas_line(canvas, (tt_point[]){{top.x - half, bottom}, {top.x + half, bottom}}, 2, 1, c->valid,
                   NULL);
  }
  for (size_t i = 0; i < n; i++) tt_canvas_disc(canvas, line[i], 3, c->valid);
  free(line);
  return TT_OK;
}

static bool in_box(tt_box b, tt_point p) {
  return p.x >= b.x && p.x <= b.x + b.width && p.y >= b.y && p.y <= b.y + b.height;
}

// How much of what is drawn crosses the box: logged points, and the lines of means and validations in small
// steps.
static int drawn_in(const layout *l, tt_box box) {
  enum { STEPS = 16 };
  tt_term term = l->panel->term;
  int found = 0;
  for (int i = 0; i < l->count; i++) {
    const tt_series *train = &l->curves[i].curve->train, *valid = &l->curves[i].curve->valid;
    for (size_t k = 0; k < train->count && l->curves[i].raw.opacity > 0; k++)
      found += tt_curve_drawable(train->value[term][k]) &&
               in_box(box, at(l, train->samples[k], train->value[term][k]));
    const means lines[2] = {l->mean[i], {valid->count, valid->samples, valid->value[term]}};
    for (int line = 0; line < 2; line++)
      for (size_t k = 0; k + 1 < lines[line].count; k++) {
        if (!tt_curve_drawable(lines[line].y[k]) || !tt_curve_drawable(lines[line].y[k + 1])) continue;
        tt_point from = at(l, lines[line].x[k], lines[line].y[k]),
                 to = at(l, lines[line].x[k + 1], lines[line].y[k + 1]);
        for (int s = 0; s <= STEPS; s++)
          found += in_box(
              box, (tt_point){from.x + (to.x - from.x) * s / STEPS, from.y + (to.y - from.y) * s / STEPS});
      }
  }
  return found;
}

// The dashed line of a baseline, labelled where least is in the way. Several runs on one data
// set have the same baseline: it is drawn once.
static void draw_baselines(tt_canvas *canvas, const layout *l) {
  static const double dash[2] = {4, 3};
  static const char *const names[TT_TERMS] = {"knowing nothing", "element entropy", "no movement",
                                              "no movement"};
  const tt_color grey = {0.35, 0.35, 0.35, 1};
  const tt_text_style style = {.size = 9.5, .color = grey};
  const tt_box frame = l->panel->box;
  tt_term term = l->panel->term;
  for (int i = 0; i < l->count; i++) {
    double value = l->curves[i].curve->baseline[term];
    bool known = !tt_curve_drawable(value);
    for (int j = 0; j < i; j++) known |= fabs(l->curves[j].curve->baseline[term] / value - 1) < 1e-3;
    if (known) continue;
    double y = tt_axis_at(&l->y, value), width = tt_canvas_text_width(canvas, &style, names[term]);
    tt_box best = {0};
    int fewest = -1;
    for (int below = 0; below <= 1; below++)
      for (int k = 0; k <= 8; k++) {
        tt_box box = {frame.x + 5 + (frame.width - width - 10) * k / 8, below ? y + 1 : y - 14, width, 13};
        if (box.y < frame.y || box.y + box.height > frame.y + frame.height) continue;
        int found = drawn_in(l, box);
        if (fewest < 0 || found <= fewest) best = box, fewest = found;
      }
    tt_canvas_begin(canvas, frame, "baseline", names[term]);
    tt_canvas_line(canvas, (tt_point[]){{frame.x, y}, {frame.x + frame.width, y}}, 2, 0.9, grey, dash);
    tt_canvas_end(canvas);
    if (fewest >= 0) tt_canvas_text(canvas, (tt_point){best.x, best.y + 10}, &style, names[term]);
  }
}

static tt_status draw_all(tt_canvas *canvas, const layout *l) {
  const tt_panel *panel = l->panel;
  draw_baselines(canvas, l);
  for (int part = 0; part < 3; part++) // points of one kind over all lines of the kinds before
    for (int i = 0; i < l->count; i++) {
      const tt_panel_curve *c = &l->curves[i];
      tt_canvas_begin(canvas, panel->box, c->group[part], c->curve->name);
      tt_status status = part == 0   ? draw_raw(canvas, l, c)
                         : part == 1 ? draw_mean(canvas, l, i)
                                     : draw_valid(canvas, l, c);
      tt_canvas_end(canvas);
      TT_TRY(status);
    }
  return TT_OK;
}

static tt_status gather(layout *l) {
  TT_TRY(tt_alloc(&l->mean, (size_t)l->count, sizeof *l->mean, "a figure"));
  for (int i = 0; i < l->count; i++) {
    const tt_series *s = &l->curves[i].curve->train;
    means *m = &l->mean[i];
    if (!s->count) continue;
    TT_TRY(tt_alloc(&m->x, 2 * s->count, sizeof *m->x, "a curve"));
    m->y = m->x + s->count;
    m->count =
        tt_curve_smooth(s->samples, s->value[l->panel->term], s->count, TT_BINS_PER_DECADE, m->x, m->y);
  }
  return TT_OK;
}

tt_status tt_panel_draw(tt_canvas *canvas, const tt_panel *panel, const tt_panel_curve *curves, int count) {
  const tt_color ink = {0.1, 0.1, 0.1, 1};
  const tt_box box = panel->box;
  layout l = {.panel = panel, .curves = curves, .count = count};
  double xs[2] = {INFINITY, 0}, ys[2] = {INFINITY, 0};
  tt_status status = gather(&l);
  if (status == TT_OK) {
    for (int i = 0; i < count; i++) widen_by(&l, i, xs, ys);
    bool empty = xs[1] <= 0;
    tt_axis_range(&l.x, empty ? 1 : xs[0], empty ? 100 : xs[1], 0.025);
    tt_axis_range(&l.y, empty ? 0.1 : ys[0], empty ? 1 : ys[1], 0.06);
    l.x.start = box.x, l.x.end = box.x + box.width;
    l.y.start = box.y + box.height, l.y.end = box.y;
    tt_axes_draw(canvas, &l.x, &l.y, panel->x_label, panel->y_label);
    tt_text_style heading = {.size = 12, .bold = true, .color = ink};
    tt_canvas_text(canvas, (tt_point){box.x, box.y - 7}, &heading, panel->heading);
    heading.bold = false, heading.anchor = TT_ANCHOR_MIDDLE;
    if (empty)
      tt_canvas_text(canvas, (tt_point){box.x + box.width / 2, box.y + box.height / 2}, &heading,
                     "not logged");
    else
      status = draw_all(canvas, &l);
  }
  for (int i = 0; l.mean && i < count; i++) free(l.mean[i].x);
  free(l.mean);
  return status;
}
