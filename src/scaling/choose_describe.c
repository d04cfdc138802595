// The two sentences about runs and points that stand on a figure.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "scaling/choose_parts.h"

typedef struct {
  double low, high;
} range;

static void widen(range *r, double value) {
  r->low = isnan(r->low) ? value : fmin(r->low, value);
  r->high = isnan(r->high) ? value : fmax(r->high, value);
}

static void append_range(char *text, size_t size, range r) {
  tt_append(text, size, "%g", r.low);
  if (r.low != r.high) tt_append(text, size, " to %g", r.high);
}

// "linear decay to 0 over 125 to 1500 steps, 25 warm-up steps, peak learning rate 0.001 to 0.002"
static int describe_schedule(const tt_candidates *all, const char *schedule, char *text, size_t size) {
  range steps = {NAN, NAN}, warmup = steps, cooldown = steps, rate = steps;
  int runs = 0;
  *text = 0;
  for (int i = 0; i < all->count; i++) {
    const tt_run *run = all->of[i].run;
    if (!all->of[i].count || strcmp(run->schedule, schedule) != 0) continue;
    runs++;
    widen(&steps, (double)run->steps_planned), widen(&warmup, (double)run->warmup_steps);
    widen(&cooldown, (double)run->cooldown_steps), widen(&rate, run->learning_rate);
  }
  if (!runs) return 0;
  bool constant = strcmp(schedule, "constant") == 0;
  if (constant)
    tt_append(text, size, "constant learning rate ");
  else if (strcmp(schedule, "linear") == 0) {
    tt_append(text, size, "linear decay to 0 over ");
    append_range(text, size, steps);
    tt_append(text, size, " steps, peak learning rate ");
  } else {
    tt_append(text, size, "linear decay to 0 in the last ");
    append_range(text, size, cooldown);
    tt_append(text, size, " steps, before it constant learning rate ");
  }
  append_range(text, size, rate);
  if (warmup.high > 0) {
    tt_append(text, size, ", ");
    append_range(text, size, warmup);
    tt_append(text, size, " warm-up steps");
  }
  return runs;
}

static void describe_schedules(const tt_candidates *all) {
  static const char *const schedules[] = {"constant", "linear", "cooldown"};
  tt_observations *o = all->out;
  int runs = 0;
  for (int i = 0; i < all->count; i++) runs += all->of[i].count > 0;
  for (int k = 0; k < 3; k++) {
    char text[200];
    int of = describe_schedule(all, schedules[k], text, sizeof text);
    if (!of) continue;
    if (*o->schedule) tt_append(o->schedule, sizeof o->schedule, "; ");
    if (of < runs) tt_append(o->schedule, sizeof o->schedule, "%d run%s: ", of, of == 1 ? "" : "s");
    tt_append(o->schedule, sizeof o->schedule, "%s", text);
  }
}

static void describe_points(const tt_candidates *all) {
  static const char *const terms[] = {"validation loss", "token part of the validation loss",
                                      "position part of the validation loss",
                                      "distance part of the validation loss"};
  const tt_choice *c = all->choice;
  char *text = all->out->chosen;
  size_t size = sizeof all->out->chosen;
  int last = 0, curves = 0;
  bool warmup = false; // decides where a curve begins
  for (int i = 0; i < all->count; i++) {
    const tt_candidate *run = &all->of[i];
    if (!run->count) continue;
    last += run->last_only, curves += !run->last_only;
    double asked = !isnan(c->from_step) ? c->from_step
                                        : (isnan(c->skip_fraction) ? 0.25 : c->skip_fraction) *
                                              (double)run->run->steps_planned;
    warmup |= !run->last_only && run->run->warmup_steps > 0 && run->from > fmax(asked, 1);
  }
  tt_append(text, size, "%s as measured, no smoothing; ", terms[c->term]);
  if (curves) {
    if (!isnan(c->from_step))
      tt_append(text, size, "points from step %.15g on", c->from_step);
    else if (isnan(c->skip_fraction))
      tt_append(text, size, "points after the first quarter of a run");
    else if (c->skip_fraction > 0)
      tt_append(text, size, "points after the first %g %% of a run", 100 * c->skip_fraction);
    else
      tt_append(text, size, "all points");
    if (warmup) tt_append(text, size, " and after its warm-up");
    if (last) tt_append(text, size, " (%d run%s); ", curves, curves == 1 ? "" : "s");
  }
  if (last && curves)
    tt_append(text, size, "of %d runs the last point", last);
  else if (last)
    tt_append(text, size, "each run's last point");
  if (c->best_rate)
    tt_append(text, size, "; of each size and length the learning rate with the lowest last loss");
  if (c->leave_out_highest)
    tt_append(text, size, "; the %d points with the highest losses left out", c->leave_out_highest);
}

void tt_candidates_describe(const tt_candidates *all) {
  describe_schedules(all);
  describe_points(all);
}
