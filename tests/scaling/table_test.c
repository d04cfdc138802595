// Tables: the grammar of CSV, whose column is what, and our own table read back to the same bits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "made_runs.h"
#include "scaling/run_csv.h"
#include "scaling/table_csv.h"

static char folder[64], file[128];

static int begin(void **state) {
  (void)state;
  make_folder(folder, sizeof folder);
  snprintf(file, sizeof file, "%s/t.csv", folder);
  return 0;
}

static int end(void **state) {
  (void)state;
  remove_folder(folder);
  return 0;
}

static tt_observations read_text(const char *text, const tt_choice *choice) {
  tt_observations o;
  write_text(folder, "t.csv", text);
  if (tt_observe_table(file, choice, &o) != TT_OK) fail_msg("%s", tt_error_message());
  return o;
}

static tt_observations read_plain(const char *text) {
  tt_choice choice = tt_choice_default();
  return read_text(text, &choice);
}

static void refused(const char *text, const tt_choice *choice, tt_status status, const char *words) {
  tt_observations o, empty = {0};
  write_text(folder, "t.csv", text);
  assert_int_equal(tt_observe_table(file, choice, &o), status);
  if (!strstr(tt_error_message(), words)) fail_msg("'%s' does not say '%s'", tt_error_message(), words);
  if (status != TT_ERR_DATA && !strstr(tt_error_message(), "t.csv") && !choice->columns)
    fail_msg("'%s' does not name the file", tt_error_message());
  assert_memory_equal(&o, &empty, sizeof o);
}

static void every_way_to_write_a_table_is_read(void **state) {
  (void)state;
  static const char *const ways[] = {
      "N,D,loss\n1e6,2e7,3.5\n2000000,40000000,3.25\n",
      "N,D,loss\n1e6,2e7,3.5\n2000000,40000000,3.25",                     // no last line feed
      "\xef\xbb\xbfN,D,loss\r\n1e6,2e7,3.5\r\n2000000,40000000,3.25\r\n", // a spreadsheet's
      "# made by hand\n\nN, D ,loss\n# a note, with commas\n 1e6 ,2e7,\t3.5\n\n  \n2000000,40000000,3.25\n\n",
      "N\tD\tloss\n1e6\t2e7\t3.5\n2000000\t40000000\t3.25\n",
      "N;D;loss\n1e6;2e7;3.5\n2000000;40000000;3.25\n",
      "\"N\",\"D\",\"loss\"\n\"1e6\",\"2e7\",\"3.5\"\r\n\"2000000\" , \"40000000\",\"3.25\"",
      "note,N,note2,D,loss\n\"one, \"\"two\"\"\nthree\",1e6,#x,2e7,3.5\n,2000000,,40000000,3.25\n",
  };
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    tt_observations o = read_plain(ways[i]);
    assert_int_equal(o.count, 2);
    assert_int_equal(o.groups, 2);
    assert_true(o.rows[0].size == 1e6 && o.rows[0].samples == 2e7 && o.rows[0].loss == 3.5);
    assert_true(o.rows[1].size == 2e6 && o.rows[1].samples == 4e7 && o.rows[1].loss == 3.25);
    assert_true(isnan(o.rows[0].steps) && isnan(o.rows[0].flops) && isnan(o.rows[0].loss_se));
    assert_string_equal(o.source, "2 rows of t.csv");
    assert_string_equal(o.size_kind, "column N");
    assert_string_equal(o.schedule, "");
    assert_int_equal(o.caution_count, 0);
    tt_observations_free(&o);
  }
  tt_observations o = read_plain(ways[7]);
  assert_string_equal(o.group_names[0], "line 2"); // where the row starts
  assert_string_equal(o.group_names[1], "line 4");
  tt_observations_free(&o);
}

static void what_is_wrong_is_named_with_its_place(void **state) {
  (void)state;
  tt_choice c = tt_choice_default();
  const tt_status format = TT_ERR_FORMAT;
  refused("", &c, format, "is empty");
  refused("\n# nothing\n", &c, format, "is empty");
  refused("N,loss\n1,2,3\n", &c, format, "line 2: 3 fields, but line 1 names 2 columns");
  refused("# x\nN,loss\n1,2\n\n1\n", &c, format, "line 5: 1 fields, but line 2 names 2");
  refused("N,loss\n\"1,2\n3,4\n", &c, format, "line 2: this quote is never closed");
  refused("N,loss\n\"1\"x,2\n", &c, format, "line 2: text behind a closing quote");
  refused("N,loss\n1,1.5\n2,abc\n", &c, format, "line 3, column 'loss': 'abc' is no number");
  refused("N,loss\n1,0x10\n", &c, format, "'0x10' is no number");
  refused("N,loss\n1,inf\n", &c, format, "'inf' is no number");
  refused("N,loss\n1,1e999\n", &c, format, "'1e999' is too large a number");
  refused("N;loss\n1;3,5\n", &c, format, "line 2, column 'loss': '3,5' is no number: write a decimal point");
  refused("N,loss\n1,1.5 2\n", &c, format, "'1.5 2' is no number");
  refused("N,loss\n-1,1.5\n", &c, format, "line 2, column 'N': '-1' must be above 0");
  refused("N,loss\n1,0\n", &c, format, "column 'loss': '0' must be above 0");
  refused("N,D,loss\n1,-1,2\n", &c, format, "column 'D': '-1' must be above 0");
  refused("N,loss\n", &c, TT_ERR_DATA, "none of its 0 rows counts");
  refused("N,loss\n,2\n1,nan\n", &c, TT_ERR_DATA, "none of its 2 rows counts");
  refused("width,loss\n1,2\n", &c, TT_ERR_ARGUMENT,
          "no column of sizes: name it with --columns size=NAME; its "
          "columns are: width, loss");
  refused("N,accuracy\n1,2\n", &c, TT_ERR_ARGUMENT, "no column of losses");
  FILE *out = fopen(file, "wb");
  fwrite("N\0,loss\n1,2\n", 1, 12, out);
  fclose(out);
  tt_observations o;
  assert_int_equal(tt_observe_table(file, &c, &o), format);
  assert_non_null(strstr(tt_error_message(), "zero byte"));
  assert_int_equal(tt_observe_table("no/such.csv", &c, &o), TT_ERR_IO);
  assert_non_null(strstr(tt_error_message(), "no/such.csv"));
}

static void columns_are_found_or_named(void **state) {
  (void)state;
  tt_choice c = tt_choice_default();
  tt_observations o =
      read_plain("x,Model Size,Training FLOP,hex_color,loss\n1,1e8,6e18,#fff,3\n2,2e8,1.2e19,#aaa,2.5\n");
  assert_true(o.rows[0].samples == 6e18 / (6 * 1e8) && o.rows[1].samples == 1.2e19 / (6 * 2e8));
  assert_true(o.rows[0].flops == 6e18);
  assert_non_null(strstr(o.chosen, "size 'Model Size', flops 'Training FLOP', loss 'loss'"));
  assert_non_null(strstr(o.chosen, "samples D = C / (6 N)"));
  tt_observations_free(&o);

  c.columns = "size=width, total,loss=final_Loss,samples=seen,run=who";
  static const char table[] =
      "\"width, total\",Final Loss,seen,who,loss,loss_se\n10,2,100,b,9,8\n20,3,100,a,9,8\n10,1,200,b,9,8\n";
  o = read_text(table, &c);
  assert_int_equal(o.groups, 2);
  assert_int_equal(o.count, 3);
  assert_string_equal(o.group_names[0], "b");
  // rows of one run together, in the order of their samples
  assert_true(o.rows[0].group == 0 && o.rows[1].group == 0 && o.rows[2].group == 1);
  assert_true(o.rows[0].loss == 2 && o.rows[1].loss == 1 && o.rows[2].size == 20);
  assert_true(isnan(o.rows[0].loss_se)); // it is of another loss
  tt_observations_free(&o);
  c.points = TT_POINTS_LAST;
  o = read_text(table, &c);
  assert_true(o.count == 2 && o.rows[0].loss == 1 && o.rows[1].loss == 3);
  tt_observations_free(&o);

  c.columns = "size=nothing";
  refused(table, &c, TT_ERR_ARGUMENT, "no column 'nothing'; its columns are: width, total, Final Loss, seen");
  c.columns = "weight=loss";
  refused(table, &c, TT_ERR_ARGUMENT, "'weight=loss' must read KEY=NAME");
  c.columns = "size=seen,loss=";
  refused(table, &c, TT_ERR_ARGUMENT, "no column ''");
  c.columns = "size=seen,size=";
  refused(table, &c, TT_ERR_ARGUMENT, "size is there twice");
  c.columns = "size=N";
  refused("N,N,loss\n1,1,2\n", &c, TT_ERR_FORMAT, "line 1: two columns are called 'N'");

  c = tt_choice_default(), c.term = TT_TERM_TOKEN, c.size = TT_SIZE_WITHOUT_EMBEDDINGS;
  o = read_text("size_total,size_without_embeddings,loss,loss_token\n5,4,3,2\n", &c);
  assert_true(o.rows[0].size == 4 && o.rows[0].loss == 2);
  tt_observations_free(&o);
  c.size = TT_SIZE_FLOPS;
  refused("N,loss_token\n5,4\n", &c, TT_ERR_ARGUMENT, "no column of sizes");
}

static void options_of_a_table(void **state) {
  (void)state;
  static const char table[] =
      "run,N,steps,loss,kind\na,5,0,9,valid\na,5,100,4,valid\na,5,200,3,valid\na,5,200,1,train\n"
      "b,6,100,,valid\nb,6,200,2,valid\nb,6,400,1.5,valid\n";
  tt_choice c = tt_choice_default();
  tt_observations o = read_text(table, &c);
  assert_int_equal(o.count, 4);
  assert_int_equal(o.caution_count, 3);
  assert_string_equal(o.cautions[0], "1 rows without a size or a loss are left out");
  assert_string_equal(o.cautions[1], "1 rows at the start of training (0) are left out");
  assert_non_null(strstr(o.cautions[2], "1 rows of kind 'train'"));
  tt_observations_free(&o);
  c.from_step = 200;
  o = read_text(table, &c);
  assert_true(o.count == 3 && o.rows[0].steps == 200 && o.groups == 2);
  tt_observations_free(&o);
  c.from_step = 201;
  o = read_text(table, &c); // no row of run a is left, nor is its group
  assert_true(o.count == 1 && o.groups == 1 && o.rows[0].group == 0);
  assert_string_equal(o.group_names[0], "b");
  tt_observations_free(&o);
  c = tt_choice_default(), c.skip_fraction = 0.6;
  o = read_text(table, &c);
  assert_true(o.count == 2 && o.rows[0].steps == 200 && o.rows[1].steps == 400);
  tt_observations_free(&o);
  c = tt_choice_default(), c.leave_out_highest = 2;
  o = read_text(table, &c);
  assert_true(o.count == 2 && o.rows[0].loss == 2 && o.rows[1].loss == 1.5 && o.groups == 1);
  assert_non_null(strstr(o.chosen, "the 2 rows with the highest losses left out"));
  tt_observations_free(&o);
  c.leave_out_highest = 4;
  refused(table, &c, TT_ERR_DATA, "leaves none of 4");
  c = tt_choice_default(), c.best_rate = true;
  refused(table, &c, TT_ERR_ARGUMENT, "--best-rate needs learning rates");
  c = tt_choice_default(), c.from_step = 1;
  refused("N,loss\n1,2\n", &c, TT_ERR_ARGUMENT, "--from-step needs a column of steps");
  c = tt_choice_default(), c.points = TT_POINTS_LAST;
  refused("N,loss\n1,2\n", &c, TT_ERR_ARGUMENT, "--points last needs a column of runs");
}

// NaN counts as equal, -0 and 0 do not.
static void same_bits(const tt_observations *a, const tt_observations *b) {
  assert_int_equal(a->count, b->count);
  assert_int_equal(a->groups, b->groups);
  for (size_t i = 0; i < a->count; i++) {
    assert_int_equal(a->rows[i].group, b->rows[i].group);
    assert_memory_equal(&a->rows[i], &b->rows[i], 7 * sizeof(double));
  }
  for (int g = 0; g < a->groups; g++) assert_string_equal(a->group_names[g], b->group_names[g]);
  assert_string_equal(a->size_kind, b->size_kind);
  assert_string_equal(a->schedule, b->schedule);
  assert_string_equal(a->chosen, b->chosen);
  assert_int_equal(a->caution_count, b->caution_count);
  for (int i = 0; i < a->caution_count; i++) assert_string_equal(a->cautions[i], b->cautions[i]);
}

static void make_runs(void) {
  static const char *const names[] = {"plain",   "with, comma", "\"quoted\"", "#hash",
                                      " blank ", "two\nlines",  "semi;colon"};
  for (int i = 0; i < 7; i++) {
    made_run run = made_run_of(names[i], 32 + 16 * (i / 2));
    run.seed = i, run.rate = 0.001 * (1 + i % 3) / 3, run.planned = 500 + 250 * i, run.reached = run.planned;
    run.schedule = i == 2 ? "linear" : i == 3 ? "cooldown" : "constant";
    if (i == 4) run.diverges_at = run.planned / 2;
    if (i == 5) run.reached /= 2, run.train_records = 3000;
    if (i == 6) run.optimizer = "weight_decay = 0.125;";
    make_run(folder, &run);
  }
}

static void our_own_table_gives_what_its_runs_give(void **state) {
  (void)state;
  make_runs();
  tt_run_table table;
  assert_int_equal(tt_run_table_read(&table, (const char *const[]){folder}, 1), TT_OK);
  assert_int_equal(table.count, 7);
  assert_int_equal(tt_run_table_write(&table, file), TT_OK);
  tt_run_table_free(&table);
  for (int k = 0; k < 2 * 3 * 4 * 3; k++) {
    tt_choice c = {.term = (tt_term)(k % 4),
                   .size = (tt_size_count)(k / 4 % 3),
                   .points = (tt_points)(k / 12 % 3),
                   .best_rate = k / 36,
                   .from_step = k % 5 ? NAN : 300,
                   .skip_fraction = NAN,
                   .law_in_steps = k % 2,
                   .leave_out_highest = k % 3};
    tt_observations a, b;
    assert_int_equal(tt_observe_runs((const char *const[]){folder}, 1, &c, &a), TT_OK);
    assert_int_equal(tt_observe_table(file, &c, &b), TT_OK);
    assert_true(a.count > 0 && a.caution_count > 0);
    same_bits(&a, &b);
    char source[300];
    snprintf(source, sizeof source, "%s of t.csv", a.source);
    assert_string_equal(b.source, source);
    tt_observations_free(&a), tt_observations_free(&b);
  }
  tt_choice c = tt_choice_default();
  c.columns = "loss=loss_token";
  tt_observations o;
  assert_int_equal(tt_observe_table(file, &c, &o), TT_ERR_ARGUMENT);
  assert_non_null(strstr(tt_error_message(), "leave --columns out"));
}

// Reads back and writes again: the same file, so no digit and no fact is lost, of any record.
static void a_table_written_twice_is_the_same(void **state) {
  (void)state;
  make_runs();
  char again[160];
  snprintf(again, sizeof again, "%s/again.csv", folder);
  tt_run_table table;
  tt_csv csv;
  assert_int_equal(tt_run_table_read(&table, (const char *const[]){folder}, 1), TT_OK);
  table.runs[0].records[3].loss[0] = 0x1.fffffffffffffp-3, table.runs[0].records[3].data_s = 5e-324;
  table.runs[0].records[4].loss[0] = -1.7976931348623157e308, table.runs[0].records[4].samples = 0x1p53 + 2;
  assert_int_equal(tt_run_table_write(&table, file), TT_OK);
  double kept[4] = {table.runs[0].records[3].loss[0], table.runs[0].records[3].data_s,
                    table.runs[0].records[4].loss[0], table.runs[0].records[4].samples};
  size_t records = table.runs[0].count;
  tt_run_table_free(&table);
  assert_int_equal(tt_csv_read(&csv, file), TT_OK);
  assert_true(tt_csv_has_runs(&csv));
  if (tt_run_table_from_csv(&table, &csv) != TT_OK) fail_msg("%s", tt_error_message());
  tt_csv_free(&csv);
  assert_int_equal(table.count, 7);
  assert_int_equal(table.runs[0].count, records);
  assert_true(table.runs[0].records[3].loss[0] == kept[0] && table.runs[0].records[3].data_s == kept[1]);
  assert_true(table.runs[0].records[4].loss[0] == kept[2] && table.runs[0].records[4].samples == kept[3]);
  assert_int_equal(tt_run_table_write(&table, again), TT_OK);
  tt_run_table_free(&table);
  char command[400];
  snprintf(command, sizeof command, "cmp '%s' '%s'", file, again);
  assert_int_equal(system(command), 0);
}

static void damage_to_our_own_table_is_named(void **state) {
  (void)state;
  made_run a = made_run_of("a", 32);
  make_run(folder, &a);
  tt_run_table table;
  assert_int_equal(tt_run_table_read(&table, (const char *const[]){folder}, 1), TT_OK);
  assert_int_equal(tt_run_table_write(&table, file), TT_OK);
  tt_run_table_free(&table);
  static const struct {
    const char *script, *words;
  } damage[] = {
      {"1s/,lr,/,rate,/", "line 1: the column 'lr' is missing"},
      {"4s/,constant,/,linear,/", "line 4: run 'a' has schedule 'linear', but 'constant' on line 2"},
      {"s/,constant,/,steep,/", "line 2, column 'schedule': 'steep' is no schedule"},
      {"3s/train/test/", "line 3, column 'kind': 'test' is neither valid nor train"},
      {"2,$s/^a/,/;2,$s/,//", "line 2, column 'run': '' is empty"},
      {"2,$s/,constant,50,/,constant,5x,/", "column 'warmup_steps': '5x' is no whole number"},
  };
  for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
    char command[400], damaged[160];
    snprintf(damaged, sizeof damaged, "%s/damaged.csv", folder);
    snprintf(command, sizeof command, "sed '%s' '%s' >'%s'", damage[i].script, file, damaged);
    assert_int_equal(system(command), 0);
    tt_choice c = tt_choice_default();
    tt_observations o;
    assert_int_equal(tt_observe_table(damaged, &c, &o), TT_ERR_FORMAT);
    if (!strstr(tt_error_message(), damage[i].words))
      fail_msg("'%s' does not say '%s'", tt_error_message(), damage[i].words);
  }
}

static void runs_are_found_and_told_apart(void **state) {
  (void)state;
  char one[100], two[100], log[200];
  snprintf(one, sizeof one, "%s/one", folder), snprintf(two, sizeof two, "%s/two", folder);
  made_run outer = made_run_of("one", 32), inner = made_run_of("a", 32), b = made_run_of("b", 64);
  inner.seed = 2;
  make_run(folder, &outer);
  make_run(one, &inner); // one/run.jsonl is a run, so what is inside it is not looked for
  made_run group = made_run_of("two", 32);
  make_run(folder, &group);
  snprintf(log, sizeof log, "%s/run.jsonl", two);
  assert_int_equal(remove(log), 0);
  make_run(two, &b), inner.name = "a", make_run(two, &inner);
  tt_run_table t;
  assert_int_equal(tt_run_table_read(&t, (const char *const[]){one, two}, 2), TT_OK);
  assert_int_equal(t.count, 3);
  assert_string_equal(t.runs[0].name, "one");
  assert_string_equal(t.runs[1].name, "a");
  assert_string_equal(t.runs[2].name, "b");
  tt_run_table_free(&t);

  snprintf(log, sizeof log, "%s/a/", one);
  assert_int_equal(tt_run_table_read(&t, (const char *const[]){log, two}, 2), TT_OK);
  char first[220], second[220];
  snprintf(first, sizeof first, "%s/a", one), snprintf(second, sizeof second, "%s/a", two);
  assert_string_equal(t.runs[0].name, first);
  assert_string_equal(t.runs[1].name, second);
  assert_string_equal(t.runs[2].name, "b");
  tt_run_table_free(&t);

  snprintf(log, sizeof log, "%s/b/run.jsonl", two);
  assert_int_equal(tt_run_table_read(&t, (const char *const[]){two, log}, 2), TT_ERR_ARGUMENT);
  assert_non_null(strstr(tt_error_message(), "are one run: name it once"));
  assert_int_equal(tt_run_table_read(&t, (const char *const[]){"nowhere"}, 1), TT_ERR_IO);
  write_text(folder, "bare.jsonl", "{\"type\":\"run\"}\n");
  snprintf(log, sizeof log, "%s/bare.jsonl", folder);
  assert_int_equal(tt_run_table_read(&t, (const char *const[]){log}, 1), TT_ERR_FORMAT);
  assert_non_null(strstr(tt_error_message(), "bare.jsonl: its first record holds no configuration"));
  write_text(folder, "bare.jsonl", "{\"type\":\"run\",\"config\":\"train = {\\n  stepz = 5; };\"}\n");
  assert_int_equal(tt_run_table_read(&t, (const char *const[]){log}, 1), TT_ERR_CONFIG);
  assert_non_null(strstr(tt_error_message(), "bare.jsonl, its configuration:2: unknown key train.stepz"));
}

// Where a decimal comma is the custom, a point is still one.
static void numbers_do_not_depend_on_the_locale(void **state) {
  (void)state;
  static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE",
                                        "fr_FR.UTF-8", "fr_FR.utf8", "fr_FR"};
  made_run a = made_run_of("a", 32);
  make_run(folder, &a);
  bool set = false;
  for (int i = 0; i < 6 && !set; i++) set = setlocale(LC_ALL, locales[i]) != NULL;
  if (!set) skip();
  tt_run_table table;
  assert_int_equal(tt_run_table_read(&table, (const char *const[]){folder}, 1), TT_OK);
  assert_int_equal(tt_run_table_write(&table, file), TT_OK);
  tt_run_table_free(&table);
  tt_choice c = tt_choice_default();
  tt_observations o;
  assert_int_equal(tt_observe_table(file, &c, &o), TT_OK);
  assert_true(o.rows[0].loss == made_loss(&a, 300, TT_TERM_TOTAL));
  tt_observations_free(&o);
  setlocale(LC_ALL, "C");
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
      TEST(every_way_to_write_a_table_is_read),
      TEST(what_is_wrong_is_named_with_its_place),
      TEST(columns_are_found_or_named),
      TEST(options_of_a_table),
      TEST(our_own_table_gives_what_its_runs_give),
      TEST(a_table_written_twice_is_the_same),
      TEST(damage_to_our_own_table_is_named),
      TEST(runs_are_found_and_told_apart),
      TEST(numbers_do_not_depend_on_the_locale),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
