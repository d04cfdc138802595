// Spikes of the loss: what counts as one, which losses it is compared with, and what a resumed run knows of.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "train/spikes.h"

static char run[] = "/tmp/twotrack-spikes-XXXXXX", path[100];

// A loss of update n that goes down and up around 2, always by the same numbers.
static double quiet(int n) {
  return 2 + 0.1 * ((n * 37 % 11) - 5) / 5.0;
}

static tt_spikes filled(int window, double threshold, int first, int count) {
  tt_spikes s;
  tt_spike spike;
  assert_int_equal(tt_spikes_init(&s, window, threshold), TT_OK);
  for (int n = first; n < first + count; n++) assert_false(tt_spikes_add(&s, quiet(n), &spike));
  return s;
}

static void the_z_is_that_of_the_losses_before(void **state) {
  (void)state;
  tt_spikes s = filled(32, 6, 0, 100);
  double mean = 0, squares = 0;
  for (int n = 68; n < 100; n++) mean += quiet(n) / 32;
  for (int n = 68; n < 100; n++) squares += pow(quiet(n) - mean, 2) / 31;
  tt_spike spike;
  assert_true(tt_spikes_add(&s, 5, &spike));
  assert_int_equal(spike.count, 32);
  assert_true(fabs(spike.mean - mean) < 1e-13 && fabs(spike.deviation - sqrt(squares)) < 1e-13);
  assert_true(fabs(spike.z - (5 - mean) / sqrt(squares)) < 1e-9);
  assert_true(tt_spikes_add(&s, 50, &spike)); // and that spike is among what is compared with
  assert_true(fabs(spike.mean - (mean * 32 - quiet(68) + 5) / 32) < 1e-13);
  tt_spikes_free(&s);
}

static void only_losses_above_the_threshold_count(void **state) {
  (void)state;
  tt_spikes s = filled(16, 3, 0, 50);
  tt_spike above, spike;
  double mean = 0, squares = 0;
  for (int n = 34; n < 50; n++) mean += quiet(n) / 16;
  for (int n = 34; n < 50; n++) squares += pow(quiet(n) - mean, 2) / 15;
  double edge = mean + 3 * sqrt(squares);
  tt_spikes same = filled(16, 3, 0, 50), low = filled(16, 3, 0, 50);
  assert_true(tt_spikes_add(&s, edge + 1e-9, &above));
  assert_false(tt_spikes_add(&same, edge - 1e-9, &spike));
  assert_false(tt_spikes_add(&low, -100, &spike)); // a loss that falls is no spike
  tt_spikes_free(&s), tt_spikes_free(&same), tt_spikes_free(&low);
  s = filled(16, 0, 0, 50); // looked for is nothing
  assert_false(tt_spikes_add(&s, 1e9, &spike));
  tt_spikes_free(&s);
}

static void a_few_losses_are_not_enough(void **state) {
  (void)state;
  tt_spike spike;
  const struct { int window, needed; } cases[] = {{8, 8}, {16, 8}, {64, 16}};
  for (int k = 0; k < 3; k++) {
    tt_spikes s = filled(cases[k].window, 6, 0, cases[k].needed - 1);
    assert_false(tt_spikes_add(&s, 1e6, &spike));
    tt_spikes_free(&s);
    s = filled(cases[k].window, 6, 0, cases[k].needed);
    assert_true(tt_spikes_add(&s, 1e6, &spike));
    tt_spikes_free(&s);
  }
  tt_spikes s; // losses without any deviation tell nothing
  assert_int_equal(tt_spikes_init(&s, 8, 6), TT_OK);
  for (int n = 0; n < 20; n++) assert_false(tt_spikes_add(&s, 1, &spike));
  assert_false(tt_spikes_add(&s, 2, &spike));
  tt_spikes_free(&s);
}

// A log with the steps first, first + 1, ... last, but for `without`, and records of other types between.
static void write_log(int first, int last, int without) {
  tt_runlog *log;
  unlink(path);
  assert_int_equal(tt_runlog_create(&log, run, json_pack("{s:s, s:i}", "type", "run", "schema_version", 1)),
                   TT_OK);
  for (int n = first; n <= last; n++) {
    if (n == without) continue;
    json_t *record = json_pack("{s:s, s:i, s:f}", "type", "step", "step", n, "loss", quiet(n));
    assert_int_equal(tt_runlog_append(log, record), TT_OK);
    record = json_pack("{s:s, s:i, s:f}", "type", "valid", "step", n, "loss", 77.0);
    assert_int_equal(tt_runlog_append(log, record), TT_OK);
  }
  tt_runlog_close(log);
}

// What a resumed run knows after reading that log: as many losses as `count`, those up to `step`.
static void assert_refilled(int step, int count) {
  tt_spikes s = filled(16, 6, 500, 20), wanted = filled(16, 6, step - count + 1, count);
  tt_spike spike, same;
  assert_int_equal(tt_spikes_refill(&s, run, step), TT_OK);
  assert_int_equal(s.count, count);
  assert_int_equal(tt_spikes_add(&s, 9, &spike), tt_spikes_add(&wanted, 9, &same));
  assert_int_equal(spike.count, same.count);
  assert_true(fabs(spike.z - same.z) < 1e-9);
  tt_spikes_free(&s), tt_spikes_free(&wanted);
}

static void a_resumed_run_has_the_losses_of_its_log(void **state) {
  (void)state;
  write_log(1, 40, 0);
  assert_refilled(40, 16);
  assert_refilled(30, 16); // records past the restored step do not count
  assert_refilled(5, 5);
  write_log(1, 40, 33);
  assert_refilled(40, 7); // only those after the gap
  assert_refilled(32, 16);
  assert_refilled(33, 0); // nothing is known of the update before the next one
  tt_spikes off = {0};
  assert_int_equal(tt_spikes_refill(&off, "/none", 1), TT_OK); // and no log is read for nothing
  tt_spikes s = filled(16, 6, 0, 3);
  assert_int_equal(tt_spikes_refill(&s, "/none", 1), TT_ERR_IO);
  tt_spikes_free(&s);
}

int main(void) {
  if (!mkdtemp(run)) return 1;
  snprintf(path, sizeof path, "%s/run.jsonl", run);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_z_is_that_of_the_losses_before),
      cmocka_unit_test(only_losses_above_the_threshold_count),
      cmocka_unit_test(a_few_losses_are_not_enough),
      cmocka_unit_test(a_resumed_run_has_the_losses_of_its_log),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  rmdir(run);
  return failed;
}
