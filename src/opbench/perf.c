// How fast an operation is at the 84M model's size.
#include <stdlib.h>

#include "core/clock.h"
#include "opbench/opbench.h"
#include "opbench/opcase.h"

enum { MOST_RUNS = 1000, LEAST_RUNS = 3 };

// What the call changes is put back before the next: sums would grow, and spoiled arrays fade to denormal
// numbers, which are slow.
static tt_status put_back(tt_op_placed *p, const tt_op_case *c, bool backward) {
  for (int k = 0; k < TT_OP_ARRAYS; k++) {
    const tt_op_array *a = &c->array[k];
    if (a->name == NULL) continue;
    if (a->spoiled || a->copied || (a->filled && tt_op_is_output(a, backward))) TT_TRY(tt_op_renew(p, c, k));
  }
  return TT_OK;
}

static double bytes_of(const tt_op_placed *p, bool backward) {
  double bytes = 0;
  for (int k = 0; k < TT_OP_ARRAYS; k++) {
    const tt_op_array *a = &p->on.array[k];
    if (a->name == NULL || !(backward ? a->backward : a->forward)) continue;
    bytes += (double)tt_op_placed_bytes(p, k) * (tt_op_is_output(a, backward) && a->filled ? 2 : 1);
  }
  return bytes;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static tt_status measure(const tt_op_case *c, tt_op_placed *p, bool backward, double seconds,
                         tt_op_speed *speed) {
  static double times[MOST_RUNS];
  const tt_ops *ops = p->on.ops;
  double end = 0;
  tt_op_call(p, backward), ops->wait(); // warms up
  while (speed->runs < MOST_RUNS && (speed->runs < LEAST_RUNS || tt_now() < end)) {
    TT_TRY(put_back(p, c, backward));
    ops->wait();
    double begun = tt_now();
    if (speed->runs == 0) end = begun + seconds;
    tt_op_call(p, backward), ops->wait();
    times[speed->runs++] = tt_now() - begun;
  }
  qsort(times, (size_t)speed->runs, sizeof *times, ascending);
  speed->seconds = times[speed->runs / 2], speed->fastest = times[0];
  speed->flops = c->family->flops == NULL ? 0 : c->family->flops(c) * (backward ? 2 : 1);
  speed->bytes = bytes_of(p, backward);
  tt_op_describe(c, speed->shape, sizeof speed->shape);
  return TT_OK;
}

static tt_status time_shape(const tt_ops *ops, const tt_op_family *f, const tt_op_shape *shape, bool backward,
                            double seconds, tt_op_speed *speed) {
  const tt_op_layout layout = {.rounded = tt_op_halves(ops), .many = ops->device};
  tt_op_case c = {0};
  tt_op_placed p = {0};
  int forward;
  tt_status status;
  *speed = (tt_op_speed){0};
  TT_TRY_GOTO(status, tt_op_build(&c, f, shape, layout), end);
  TT_TRY_GOTO(status, tt_op_scratch(&c, ops), end);
  if (f->ready != NULL) f->ready(&c, backward);
  TT_TRY_GOTO(status, tt_op_place(&p, ops, &c), end);
  // a backward reads the forward's results: this backend's, because the reference's takes long
  TT_TRY_GOTO(status, tt_opbench_find(f->forward, &forward), end);
  if (backward && tt_opbench_filled(ops, forward)) tt_op_call(&p, false);
  status = measure(&c, &p, backward, seconds, speed);
end:
  tt_op_leave(&p), tt_op_free(&c);
  return status;
}

tt_status tt_opbench_perf(const tt_ops *ops, int op, double seconds, tt_op_speed speeds[TT_OP_MOST_SPEEDS],
                          int *count) {
  bool backward;
  const tt_op_family *f = tt_op_family_of(tt_opbench_name(op), &backward);
  *count = 0;
  for (int k = 0; f != NULL && k < f->real_count && k < TT_OP_MOST_SPEEDS; k++) {
    TT_TRY(time_shape(ops, f, &f->real[k], backward, seconds, &speeds[k]));
    ++*count;
  }
  return TT_OK;
}
