// Which points of runs count, what is refused, and what a reader is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "made_runs.h"
#include "scaling/choose.h"

static char folder[64];

static int begin(void **state) {
  (void)state;
  make_folder(folder, sizeof folder);
  return 0;
}

static int end(void **state) {
  (void)state;
  remove_folder(folder);
  return 0;
}

static tt_observations chosen(const tt_choice *choice) {
  tt_observations o;
  if (tt_observe_runs((const char *const[]){folder}, 1, choice, &o) != TT_OK)
    fail_msg("%s", tt_error_message());
  return o;
}

static void refused(const tt_choice *choice, tt_status status, const char *words) {
  tt_observations o, empty = {0};
  assert_int_equal(tt_observe_runs((const char *const[]){folder}, 1, choice, &o), status);
  if (!strstr(tt_error_message(), words)) fail_msg("'%s' does not say '%s'", tt_error_message(), words);
  assert_memory_equal(&o, &empty, sizeof o);
}

static bool cautioned(const tt_observations *o, const char *words) {
  for (int i = 0; i < o->caution_count; i++)
    if (strstr(o->cautions[i], words)) return true;
  return false;
}

static void points_of_a_constant_rate_count_after_the_first_quarter(void **state) {
  (void)state;
  made_run run = made_run_of("a", 32);
  make_run(folder, &run);
  tt_choice choice = tt_choice_default();
  tt_observations o = chosen(&choice);
  assert_int_equal(o.count, 8);
  assert_int_equal(o.groups, 1);
  assert_string_equal(o.group_names[0], "a");
  assert_string_equal(o.source, "1 run");
  assert_string_equal(o.size_kind, "all parameters");
  assert_string_equal(o.schedule, "constant learning rate 0.002, 50 warm-up steps");
  assert_string_equal(o.chosen,
                      "validation loss as measured, no smoothing; points after the first quarter of a run");
  assert_int_equal(o.caution_count, 0);
  for (int i = 0; i < 8; i++) {
    int step = 300 + 100 * i;
    const tt_observation *r = &o.rows[i];
    assert_true(r->steps == step && r->samples == 16.0 * step && r->size == 32000 && r->group == 0);
    assert_true(r->loss == made_loss(&run, step, TT_TERM_TOTAL) && r->loss_se == 0.01 / 3);
    // between the step records around it, which are in proportion to the samples
    assert_true(fabs(r->flops / (1e3 * 32 * 16 * step / 3) - 1) < 1e-14);
  }
  tt_observations_free(&o);
}

static size_t count_with(tt_choice choice) {
  tt_observations o = chosen(&choice);
  size_t count = o.count;
  assert_int_equal(o.rows[count - 1].steps, 1000);
  tt_observations_free(&o);
  return count;
}

static void options_say_where_points_begin(void **state) {
  (void)state;
  made_run run = made_run_of("a", 32);
  run.warmup = 150;
  make_run(folder, &run);
  tt_choice choice = tt_choice_default();
  choice.from_step = 700;
  assert_int_equal(count_with(choice), 4); // 700 itself counts
  choice.from_step = 0;
  assert_int_equal(count_with(choice), 9); // not those of the warm-up, and never step 0
  tt_observations o = chosen(&choice);
  assert_non_null(strstr(o.chosen, "points from step 0 on and after its warm-up"));
  tt_observations_free(&o);
  choice = tt_choice_default(), choice.skip_fraction = 0.55;
  assert_int_equal(count_with(choice), 5);
  choice.points = TT_POINTS_LAST;
  assert_int_equal(count_with(choice), 1);
  choice = tt_choice_default(), choice.leave_out_highest = 3;
  assert_int_equal(count_with(choice), 5);
  choice.leave_out_highest = 8;
  refused(&choice, TT_ERR_DATA, "leaves none of 8 points");
  choice = tt_choice_default(), choice.from_step = 1001;
  refused(&choice, TT_ERR_DATA, "of 10 validations 10 are early");
  choice.skip_fraction = 0.1;
  refused(&choice, TT_ERR_ARGUMENT, "--from-step and --skip-fraction");
  choice.from_step = NAN, choice.skip_fraction = 1;
  refused(&choice, TT_ERR_ARGUMENT, "--skip-fraction 1");
  choice = tt_choice_default(), choice.columns = "size=N";
  refused(&choice, TT_ERR_ARGUMENT, "--columns");
}

static void terms_and_sizes_are_those_asked_for(void **state) {
  (void)state;
  made_run a = made_run_of("a", 32), b = made_run_of("b", 32), c = made_run_of("c", 64);
  b.seed = 2, b.batch = 32;
  make_run(folder, &a), make_run(folder, &b), make_run(folder, &c);
  tt_choice choice = tt_choice_default();
  choice.points = TT_POINTS_LAST;
  for (int t = 0; t < TT_TERMS; t++) {
    choice.term = (tt_term)t;
    tt_observations o = chosen(&choice);
    assert_int_equal(o.count, 3);
    assert_true(o.rows[1].loss == made_loss(&b, 1000, choice.term));
    tt_observations_free(&o);
  }
  choice.term = TT_TERM_TOTAL, choice.size = TT_SIZE_WITHOUT_EMBEDDINGS;
  tt_observations o = chosen(&choice);
  assert_true(o.rows[0].size == 600 * 32 && o.rows[2].size == 600 * 64);
  assert_string_equal(o.size_kind, "parameters without embeddings");
  tt_observations_free(&o);
  choice.size = TT_SIZE_FLOPS;
  o = chosen(&choice);
  assert_true(o.rows[0].size == o.rows[1].size); // one shape, one size
  assert_true(fabs(o.rows[0].size / (32e3 / 3) - 1) < 1e-14 && fabs(o.rows[2].size / (64e3 / 3) - 1) < 1e-14);
  assert_string_equal(o.size_kind, "executed FLOPs a molecule");
  tt_observations_free(&o);
}

static void a_falling_rate_gives_its_last_point_only(void **state) {
  (void)state;
  made_run done = made_run_of("done", 32), half = made_run_of("half", 64), steady = made_run_of("steady", 96),
           cool = made_run_of("cool", 128);
  done.schedule = half.schedule = "linear", half.reached = 600, cool.schedule = "cooldown";
  make_run(folder, &done), make_run(folder, &half);
  tt_choice choice = tt_choice_default();
  tt_observations o = chosen(&choice);
  assert_int_equal(o.count, 1);
  assert_true(o.rows[0].steps == 1000 && o.rows[0].size == 32000);
  assert_string_equal(o.schedule,
                      "linear decay to 0 over 1000 steps, peak learning rate 0.002, 50 warm-up steps");
  assert_non_null(strstr(o.chosen, "each run's last point"));
  assert_int_equal(o.caution_count, 1);
  assert_true(cautioned(&o, "left out: half at step 600 of 1000"));
  tt_observations_free(&o);

  choice.points = TT_POINTS_LAST;
  o = chosen(&choice);
  assert_int_equal(o.count, 2);
  assert_true(cautioned(&o, "have not finished: half at step 600"));
  assert_true(cautioned(&o, "falling learning rate count in 1 of the runs"));
  tt_observations_free(&o);

  choice.points = TT_POINTS_ALL;
  o = chosen(&choice);
  assert_int_equal(o.count, 8 + 4);
  assert_true(cautioned(&o, "falling learning rate count in 2 of the runs"));
  tt_observations_free(&o);

  make_run(folder, &steady), make_run(folder, &cool);
  choice.points = TT_POINTS_AUTO;
  o = chosen(&choice); // folders in the order of their names: cool, done, half, steady
  assert_int_equal(o.count, 1 + 1 + 8);
  assert_int_equal(o.groups, 3);
  assert_string_equal(o.group_names[2], "steady");
  assert_non_null(
      strstr(o.schedule, "1 run: constant learning rate 0.002, 50 warm-up steps; 1 run: linear decay"));
  assert_non_null(strstr(o.schedule, "1 run: linear decay to 0 in the last 200 steps"));
  assert_true(cautioned(&o, "schedule of the learning rate is cooldown in cool but linear in done"));
  assert_non_null(strstr(o.chosen, "(1 run); of 2 runs the last point"));
  tt_observations_free(&o);
}

static void runs_that_are_not_comparable_are_refused(void **state) {
  (void)state;
  made_run a = made_run_of("a", 32), b = made_run_of("b", 64), c = made_run_of("c", 64);
  b.data = "noise_scale = 0.3;", b.validation = "seed = 5;";
  make_run(folder, &a), make_run(folder, &b);
  tt_choice choice = tt_choice_default();
  refused(&choice, TT_ERR_DATA, "the losses of a and b are not comparable: data.noise_scale is 0.2 and 0.3");
  choice.mixed = true;
  tt_observations o = chosen(&choice);
  assert_int_equal(o.count, 16);
  assert_true(cautioned(&o, "data.noise_scale is 0.2 in a and 0.3 in b"));
  assert_true(cautioned(&o, "validation.seed is 1 in a and 5 in b"));
  assert_int_equal(o.caution_count, 2);
  tt_observations_free(&o);
  char path[100];
  snprintf(path, sizeof path, "%s/b", folder);
  remove_folder(path);
  c.store = "ff112233445566778899aabbccddeeff";
  make_run(folder, &c);
  choice.mixed = false;
  refused(&choice, TT_ERR_DATA,
          "a and c are not comparable: store is 00112233445566778899aabbccddeeff and ff");
}

// 0 stands for all validation molecules, and the made stores have 300.
static void all_validation_molecules_are_as_many_as_there_are(void **state) {
  (void)state;
  made_run a = made_run_of("a", 32), b = made_run_of("b", 64), c = made_run_of("c", 96);
  a.validation = "molecules = 0;", b.validation = "molecules = 4000;", c.validation = "molecules = 200;";
  make_run(folder, &a), make_run(folder, &b);
  tt_choice choice = tt_choice_default();
  tt_observations o = chosen(&choice);
  assert_int_equal(o.groups, 2);
  tt_observations_free(&o);
  make_run(folder, &c);
  refused(&choice, TT_ERR_DATA, "validation.molecules is 300 and 200");
}

static void what_weakens_a_law_is_said(void **state) {
  (void)state;
  made_run a = made_run_of("a", 32), b = made_run_of("b", 32), c = made_run_of("c", 64),
           d = made_run_of("d", 96), e = made_run_of("e", 128), f = made_run_of("f", 64);
  b.rate = 0.004, c.batch = 32, c.train_records = 10000, d.reached = 500;
  e.validation = "every = 7;"; // is no difference
  f.batch = 32, f.diverges_at = 900, f.train_records = 10000;
  make_run(folder, &a);
  tt_choice choice = tt_choice_default();
  tt_observations o = chosen(&choice);
  assert_int_equal(o.caution_count, 0);
  tt_observations_free(&o);
  make_run(folder, &b), make_run(folder, &c), make_run(folder, &d), make_run(folder, &e),
      make_run(folder, &f);
  choice.law_in_steps = true;
  o = chosen(&choice);
  assert_true(cautioned(&o, "at 1 of the sizes runs differ in learning rate (a: 0.002, b: 0.004)"));
  assert_true(cautioned(&o, "batch sizes from 16 to 32 molecules"));
  assert_true(cautioned(&o, "2 runs saw molecules more than once, at most 3.2 times the 10000"));
  assert_true(cautioned(&o, "1 of the runs have not finished: d at step 500 of 1000"));
  assert_true(cautioned(&o, "without a finite loss are left out in 1 of the runs (did they diverge?): f"));
  assert_true(cautioned(&o, "c and f are one experiment twice"));
  assert_int_equal(o.caution_count, 6);
  tt_observations_free(&o);
  choice.law_in_steps = false;
  o = chosen(&choice);
  assert_false(cautioned(&o, "batch sizes"));
  tt_observations_free(&o);
}

static void other_settings_of_the_training_are_a_caution(void **state) {
  (void)state;
  made_run a = made_run_of("a", 32), b = made_run_of("b", 64), c = made_run_of("c", 96);
  b.data = "read_ahead = 5;";
  make_run(folder, &a), make_run(folder, &b);
  tt_choice choice = tt_choice_default();
  tt_observations o = chosen(&choice);
  assert_int_equal(o.caution_count, 0); // is no part of the experiment
  tt_observations_free(&o);
  c.optimizer = "weight_decay = 0.5; clip_norm = 2.0; beta1 = 0.9;";
  make_run(folder, &c);
  o = chosen(&choice);
  assert_int_equal(o.caution_count, 2);
  assert_true(cautioned(&o, "optimizer.weight_decay is 0.0001 in a but 0.5 in c"));
  assert_true(cautioned(&o, "optimizer.clip_norm is 1.0 in a but 2.0 in c"));
  tt_observations_free(&o);
}

static void the_best_rate_of_each_size_and_length_is_kept(void **state) {
  (void)state;
  static const double rates[] = {0.001, 0.003, 0.008}; // made losses are lowest at 0.004
  char names[30][40];
  int n = 0;
  for (int size = 0; size < 2; size++)
    for (int rate = 0; rate < 3; rate++)
      for (int seed = 1; seed <= 2; seed++) {
        snprintf(names[n], sizeof names[n], "%d-%g-%d", 32 + 32 * size, rates[rate], seed);
        made_run run = made_run_of(names[n++], 32 + 32 * size);
        run.rate = rates[rate], run.seed = seed;
        if (size == 1 && rate == 1) run.seed = seed + 30; // worse there: the next best is at an edge
        make_run(folder, &run);
      }
  made_run longer = made_run_of("longer", 32); // its rate is not compared with those of shorter runs
  longer.planned = longer.reached = 2000, longer.rate = 0.001;
  make_run(folder, &longer);
  tt_choice choice = tt_choice_default();
  choice.points = TT_POINTS_LAST, choice.best_rate = true;
  tt_observations o = chosen(&choice);
  assert_int_equal(o.count, 5);
  assert_string_equal(o.group_names[0], "32-0.003-1");
  assert_string_equal(o.group_names[1], "32-0.003-2");
  assert_string_equal(o.group_names[2],
                      "64-0.001-1"); // 0.003: 0.003 * 10 / 3 less, 0.03 / 3 more by the seeds
  assert_string_equal(o.group_names[4], "longer");
  assert_true(
      cautioned(&o, "at 1 of the sizes and lengths the best learning rate is the smallest or largest"));
  assert_false(cautioned(&o, "differ in learning rate"));
  assert_false(cautioned(&o, "no validation that counts"));
  assert_non_null(strstr(o.chosen, "the learning rate with the lowest last loss"));
  tt_observations_free(&o);
}

// By its loss so far a run may lose to a worse rate that has come further.
static void an_unfinished_run_of_a_rate_that_lost_is_named(void **state) {
  (void)state;
  made_run done = made_run_of("done", 32), going = made_run_of("going", 32);
  done.rate = 0.003, going.rate = 0.004, going.reached = 400; // made losses are lowest at 0.004
  make_run(folder, &done), make_run(folder, &going);
  tt_choice choice = tt_choice_default();
  choice.best_rate = true;
  tt_observations o = chosen(&choice);
  assert_int_equal(o.groups, 1);
  assert_string_equal(o.group_names[0], "done");
  assert_true(cautioned(&o, "--best-rate may choose another when they have: going at step 400 of 1000"));
  tt_observations_free(&o);
}

static void runs_that_have_not_begun_are_named(void **state) {
  (void)state;
  made_run a = made_run_of("a", 32), b = made_run_of("b", 64), c = made_run_of("c", 96);
  b.reached = 0, c.schedule = "linear", c.reached = 99; // its step records have begun, its validations not
  make_run(folder, &a), make_run(folder, &b), make_run(folder, &c);
  tt_choice choice = tt_choice_default();
  tt_observations o = chosen(&choice);
  assert_int_equal(o.groups, 1);
  assert_true(cautioned(&o, "have not trained a step and are left out: b"));
  assert_true(cautioned(&o, "have not come to their end and are left out: c at step 70 of 1000"));
  assert_int_equal(o.caution_count, 2);
  tt_observations_free(&o);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
      TEST(points_of_a_constant_rate_count_after_the_first_quarter),
      TEST(options_say_where_points_begin),
      TEST(terms_and_sizes_are_those_asked_for),
      TEST(a_falling_rate_gives_its_last_point_only),
      TEST(runs_that_are_not_comparable_are_refused),
      TEST(all_validation_molecules_are_as_many_as_there_are),
      TEST(what_weakens_a_law_is_said),
      TEST(other_settings_of_the_training_are_a_caution),
      TEST(the_best_rate_of_each_size_and_length_is_kept),
      TEST(an_unfinished_run_of_a_rate_that_lost_is_named),
      TEST(runs_that_have_not_begun_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
