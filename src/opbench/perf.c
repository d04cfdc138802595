// How fast an operation is at the 84M model's size.
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "opbench/opbench.h"
#include "opbench/opcase.h"

enum { MOST_RUNS = 1000, LEAST_RUNS = 3 };

// What the call changes is put back before the next: sums would grow, and spoiled arrays fade to denormal
// numbers, which are slow.
static bool changes(const tt_op_array *a, bool backward) {
  return a->name != NULL && (a->spoiled || (a->filled && tt_op_is_output(a, backward)));
}

static tt_status save(const tt_op_case *c, bool backward, void *saved[TT_OP_ARRAYS]) {
  for (int k = 0; k < TT_OP_ARRAYS; k++) {
    if (!changes(&c->array[k], backward)) continue;
    TT_TRY(tt_alloc(&saved[k], tt_op_bytes(&c->array[k]), 1, "a copy of an array to time with"));
    memcpy(saved[k], c->array[k].at, tt_op_bytes(&c->array[k]));
  }
  return TT_OK;
}

static void put_back(tt_op_case *c, void *const saved[TT_OP_ARRAYS]) {
  for (int k = 0; k < TT_OP_ARRAYS; k++)
    if (saved[k] != NULL) memcpy(c->array[k].at, saved[k], tt_op_bytes(&c->array[k]));
}

static double bytes_of(const tt_op_case *c, bool backward) {
  double bytes = 0;
  for (int k = 0; k < TT_OP_ARRAYS; k++) {
    const tt_op_array *a = &c->array[k];
    if (a->name == NULL || !(backward ? a->backward : a->forward)) continue;
    bytes += (double)tt_op_bytes(a) * (tt_op_is_output(a, backward) && a->filled ? 2 : 1);
  }
  return bytes;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static tt_status measure(const tt_ops *ops, tt_op_case *c, bool backward, double seconds,
                         tt_op_speed *speed) {
  static double times[MOST_RUNS];
  void *saved[TT_OP_ARRAYS] = {NULL};
  double end = 0;
  tt_status status = save(c, backward, saved);
  if (status == TT_OK) tt_op_run(ops, c, backward); // warms up
  while (status == TT_OK && speed->runs < MOST_RUNS && (speed->runs < LEAST_RUNS || tt_now() < end)) {
    put_back(c, saved);
    double begun = tt_now();
    if (speed->runs == 0) end = begun + seconds;
    tt_op_run(ops, c, backward);
    times[speed->runs++] = tt_now() - begun;
  }
  for (int k = 0; k < TT_OP_ARRAYS; k++) free(saved[k]);
  TT_TRY(status);
  qsort(times, (size_t)speed->runs, sizeof *times, ascending);
  speed->seconds = times[speed->runs / 2], speed->fastest = times[0];
  speed->flops = c->family->flops == NULL ? 0 : c->family->flops(c) * (backward ? 2 : 1);
  speed->bytes = bytes_of(c, backward);
  tt_op_describe(c, speed->shape, sizeof speed->shape);
  return TT_OK;
}

tt_status tt_opbench_perf(const tt_ops *ops, int op, double seconds, tt_op_speed speeds[TT_OP_MOST_SPEEDS],
                          int *count) {
  bool backward;
  const tt_op_family *f = tt_op_family_of(tt_opbench_name(op), &backward);
  tt_status status = TT_OK;
  *count = 0;
  for (int k = 0; f != NULL && status == TT_OK && k < f->real_count && k < TT_OP_MOST_SPEEDS; k++) {
    tt_op_case c = {0};
    status = tt_op_build(&c, f, &f->real[k], (tt_op_layout){0});
    if (status == TT_OK) status = tt_op_scratch(&c, ops);
    // a backward reads the forward's results: this backend's, because the reference's takes long
    if (status == TT_OK && backward) tt_op_run(ops, &c, false);
    speeds[k] = (tt_op_speed){0};
    if (status == TT_OK) status = measure(ops, &c, backward, seconds, &speeds[k]);
    tt_op_free(&c);
    if (status == TT_OK) ++*count;
  }
  return status;
}
