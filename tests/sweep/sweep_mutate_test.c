// A seeded mutation campaign: damaged descriptions of sweeps must be expanded or refused with a message,
// never crash or leak (run it under the sanitizers). TT_TEST_MUTATIONS sets how many, 1000 if unset.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "mutation.h"
#include "sweep/expand.h"

enum { ROOM = 1 << 14 };

static const char seed_text[] =
    "# a sweep\n"
    "out = \"runs/law\"; store = \"/data/store\";\n"
    "set = [\"train.steps=2000\", \"data.noise=uniform\", \"optimizer.warmup_steps=25\", "
    "\"train.batch_size=64\"];\n"
    "learning_rates = [0.001, 2e-3]; seeds = [1, 2];\n"
    "sizes = (\n"
    "  { name = \"41k\"; model = { layers = 1; embed_dim = 16; heads = 1; pair_dim = 8; pair_hidden = 4;\n"
    "    ffn_dim = 16; dropout = 0; }; learning_rates = (0.002); seeds = (1, 2, 3L); },\n"
    "  { name = \"84M\"; model = { preset = \"84M\"; scaling_length = \"batch\"; }; set = "
    "[\"train.log_every=7\"]; },\n"
    "  { name = \"base\"; learning_rates = [0.5]; }\n"
    ");\n";

static void mutate(char *text, size_t *n) {
  static const char telling[] = "{}()[]\";=:,.#/*\\\n@-+ex0L9\xff";
  static const char *const words[] = {"(((((((((",
                                      "{ name = \"x\"; },",
                                      "\"\"",
                                      "/*",
                                      "true",
                                      "-1",
                                      "steps = [100, 200];",
                                      "sizes = ();",
                                      "base = \"x\";",
                                      "[]",
                                      "\"a.b=c\",",
                                      "99999999999",
                                      "1e999",
                                      "name",
                                      "model = {};"};
  mutate_text(&(mutation){ROOM, telling, sizeof telling, words, sizeof words / sizeof *words, 64}, text, n);
}

static void check_refusal(tt_status status, const char *path) {
  const char *message = tt_error_message();
  // a base of a damaged name is not there
  if (status != TT_ERR_IO) assert_int_equal(status, TT_ERR_CONFIG);
  if (status == TT_ERR_CONFIG && strncmp(message, path, strlen(path)) != 0) fail_msg("no place: %s", message);
}

// What is accepted has as many runs as it says, each with a folder of its own inside of the sweep's and a
// configuration that reads back.
static void check_runs(const tt_sweep *sweep, const tt_sweep_runs *runs, const char *path) {
  size_t count = 0;
  for (int i = 0; i < sweep->size_count; i++) {
    const tt_sweep_size *s = &sweep->sizes[i];
    count += (size_t)(s->rate_count ? s->rate_count : 1) * (size_t)(s->seed_count ? s->seed_count : 1) *
             (size_t)(s->step_count ? s->step_count : 1);
  }
  assert_int_equal(runs->count, count);
  for (int i = 0; i < runs->count; i++) {
    const tt_sweep_run *r = &runs->list[i];
    assert_true(r->name[0] != '.' && !strchr(r->name, '/') && r->parameters > 0);
    for (int k = 0; k < i; k++) assert_string_not_equal(r->name, runs->list[k].name);
  }
  const tt_sweep_run *r = &runs->list[draw((uint32_t)runs->count)];
  tt_config again;
  char *text;
  write_file(path, r->text, strlen(r->text));
  if (tt_config_load(&again, path, NULL, 0) != TT_OK) fail_msg("%s\n%s", tt_error_message(), r->text);
  assert_int_equal(tt_config_print(&again, &text), TT_OK);
  assert_string_equal(text, r->text);
  free(text);
  tt_config_free(&again);
}

static void damaged_sweeps_are_expanded_or_refused(void **state) {
  (void)state;
  long count = mutations_wanted(1000), accepted = 0;
  drawn.seed = 2025;
  char path[64], *text = malloc(ROOM + 1);
  snprintf(path, sizeof path, "sweep_mutate_test.%ld.cfg", (long)getpid());
  for (long i = 0; i < count; i++) {
    size_t n = sizeof seed_text - 1;
    memcpy(text, seed_text, n);
    for (uint32_t k = draw(4); k > 0; k--) mutate(text, &n);
    write_file(path, text, n);
    tt_sweep sweep;
    tt_sweep_runs runs = {0};
    tt_fail(TT_OK, "%s", ""); // forget the last message
    tt_status status = tt_sweep_read(&sweep, path);
    if (status == TT_OK) status = tt_sweep_expand(&runs, &sweep, NULL, NULL);
    if (status != TT_OK)
      check_refusal(status, path);
    else
      check_runs(&sweep, &runs, path), accepted++;
    tt_sweep_runs_free(&runs);
    tt_sweep_free(&sweep);
  }
  unlink(path);
  free(text);
  print_message("%ld damaged sweeps: %ld accepted, %ld refused\n", count, accepted, count - accepted);
  assert_true(count < 100 || (accepted > 0 && accepted < count)); // the campaign reaches both outcomes
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_sweeps_are_expanded_or_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
