// A seeded mutation campaign: damaged tables and run logs must be read or be refused with a message, never
// crash or leak (run it under the sanitizers). TT_TEST_MUTATIONS sets how many of each, 300 if unset.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "made_runs.h"
#include "mutation.h"
#include "scaling/table_csv.h"

enum { ROOM = 1 << 18 };

static const char foreign[] =
    "# by hand\n\"run, id\",Model Size,training_flop,steps,loss,kind,loss_se\r\n"
    "\"a \"\"1\"\"\",1e6,6e15,100,3.5,valid,.01\r\n\"a \"\"1\"\"\",1e6,1.2e16,200,3.25,valid,\n"
    "b,2e6,1e16,100,3.0,valid,NA\n\nb,2e6,2e16,200,nan,train,0.01\n\"two\nlines\",4e6,5e16,1,2.5,,\n";

static void mutate(char *text, size_t *n) {
  static const char telling[] = ",\"\n\r\t;#'{}[]:=-+.eE019 \xff";
  static const char *const words[] = {"nan",  "-1",     "1e999",  "99999999999999999999",
                                      "0",    "\"\"",   "1e-320", "valid",
                                      "null", "linear", "loss",   "\r\n",
                                      "run",  "inf",    ",,",     "\xef\xbb\xbf"};
  enum { WORDS = sizeof words / sizeof *words };
  size_t at = draw((uint32_t)*n + 1), count = 1;
  if (draw(8)) {
    mutate_text(&(mutation){ROOM, telling, sizeof telling, words, WORDS, 200}, text, n);
    return;
  }
  while (at < *n && text[at] != ',') at++; // a field replaced
  if (at == *n) return;
  while (at + count < *n && text[at + count] != ',') count++;
  cut(text, n, at + 1, count - 1);
  const char *word = words[draw(WORDS)];
  paste(text, n, ROOM, at + 1, word, strlen(word));
}

static tt_choice draw_choice(void) {
  tt_choice c = tt_choice_default();
  c.points = (tt_points)draw(3), c.size = (tt_size_count)(draw(4) ? 0 : draw(3));
  c.term = (tt_term)(draw(4) ? 0 : draw(TT_TERMS));
  if (draw(4) == 0) c.from_step = draw(400);
  if (draw(4) == 0) c.skip_fraction = draw(12) / 10.0;
  if (draw(4) == 0) c.leave_out_highest = (int)draw(4);
  c.best_rate = draw(3) == 0, c.mixed = draw(2), c.law_in_steps = draw(2);
  return c;
}

// What whoever fits may rely on.
static void sound(const tt_observations *o) {
  assert_true(o->count > 0 && o->groups > 0);
  for (size_t i = 0; i < o->count; i++) {
    const tt_observation *r = &o->rows[i];
    assert_true(isfinite(r->size) && r->size > 0 && isfinite(r->loss) && r->loss > 0);
    assert_true(r->group >= 0 && r->group < o->groups && (!i || r->group >= r[-1].group));
    assert_false(r->samples == 0 || r->steps == 0 || isinf(r->samples) || isinf(r->steps) ||
                 isinf(r->flops) || r->flops == 0);
    assert_false(r->samples < 0 || r->steps < 0 || r->flops < 0);
  }
  for (int g = 0; g < o->groups; g++) assert_true(memchr(o->group_names[g], 0, 128) != NULL);
  for (int i = 0; i < o->caution_count; i++) assert_true(*o->cautions[i] != 0);
  assert_true(*o->source && *o->size_kind && *o->chosen);
}

// `runs`: the text is a run log beside another, whole one.
static void campaign(const char *folder, const char *seed, size_t length, bool runs) {
  long count = mutations_wanted(300), accepted = 0;
  drawn.seed = 2026;
  char file[200], *text = malloc(ROOM + 1);
  snprintf(file, sizeof file, "%s/%s", folder, runs ? "b/run.jsonl" : "t.csv");
  for (long i = 0; i < count; i++) {
    size_t n = length;
    memcpy(text, seed, n);
    for (uint32_t k = draw(5); k > 0; k--) mutate(text, &n);
    write_file(file, text, n);
    tt_choice choice = draw_choice();
    if (!runs && draw(4) == 0) choice.columns = "size=Model Size,samples=steps";
    tt_observations o, empty = {0};
    tt_fail(TT_OK, "%s", ""); // forget the last message
    tt_status status = runs ? tt_observe_runs((const char *const[]){folder}, 1, &choice, &o)
                            : tt_observe_table(file, &choice, &o);
    if (status == TT_OK) {
      accepted++;
      sound(&o);
      tt_observations_free(&o);
      continue;
    }
    assert_true(status == TT_ERR_FORMAT || status == TT_ERR_DATA || status == TT_ERR_ARGUMENT ||
                status == TT_ERR_CONFIG);
    assert_true(strlen(tt_error_message()) > 10);
    assert_memory_equal(&o, &empty, sizeof o);
  }
  free(text);
  print_message("%ld damaged %s: %ld read, %ld refused\n", count, runs ? "logs" : "tables", accepted,
                count - accepted);
  assert_true(count < 100 || (accepted > 0 && accepted < count)); // the campaign reaches both outcomes
}

static char folder[64];

static int begin(void **state) {
  (void)state;
  make_folder(folder, sizeof folder);
  made_run a = made_run_of("a", 32), b = made_run_of("b", 64);
  b.schedule = "linear", b.rate = 0.004;
  make_run(folder, &a), make_run(folder, &b);
  return 0;
}

static int end(void **state) {
  (void)state;
  remove_folder(folder);
  return 0;
}

static void damaged_tables_are_read_or_refused(void **state) {
  (void)state;
  campaign(folder, foreign, sizeof foreign - 1, false);
}

static void damaged_tables_of_runs_are_read_or_refused(void **state) {
  (void)state;
  char file[100], *text;
  size_t bytes;
  tt_run_table table;
  snprintf(file, sizeof file, "%s/seed.csv", folder);
  assert_int_equal(tt_run_table_read(&table, (const char *const[]){folder}, 1), TT_OK);
  assert_int_equal(tt_run_table_write(&table, file), TT_OK);
  tt_run_table_free(&table);
  assert_int_equal(tt_file_read(file, &text, &bytes), TT_OK);
  assert_true(bytes < ROOM);
  campaign(folder, text, bytes, false);
  free(text);
}

static void damaged_logs_are_read_or_refused(void **state) {
  (void)state;
  char file[100], *text;
  size_t bytes;
  snprintf(file, sizeof file, "%s/b/run.jsonl", folder);
  assert_int_equal(tt_file_read(file, &text, &bytes), TT_OK);
  campaign(folder, text, bytes, true);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
      TEST(damaged_tables_are_read_or_refused),
      TEST(damaged_tables_of_runs_are_read_or_refused),
      TEST(damaged_logs_are_read_or_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
