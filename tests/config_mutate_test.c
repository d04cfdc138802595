// A seeded mutation campaign: damaged configuration texts and overrides must load or be refused with a
// message, never crash or leak (run it under the sanitizers). TT_TEST_MUTATIONS sets how many, 1000 if unset.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/config.h"
#include "mutation.h"

enum { ROOM = 1 << 14 };

static const char seed_text[] =
    "# a run\n"
    "model = { preset = \"cpu-small\"; layers = 3; dropout = 0.1; scaling_length = \"batch\"; };\n"
    "data : {\n  store = \"/data/store \\\"x\\\" \\x41\"; lanes = 4; /* lanes */ noise = \"uniform\";\n"
    "  noise_scale = 1; noise_probability = .15; // code's\n};\n"
    "train = {\n  seed = 12345678901L;\n  steps = 500, batch_size = 0x40; micro_batches = 8\n"
    "  checkpoint_every = 100;\n};\n"
    "optimizer = { learning_rate = 1e-3; schedule = \"cooldown\"; cooldown_steps = 100; warmup_steps = 25L; "
    "};\n"
    "validation = { every = 100; molecules = 0; seed = 7; };\n";

static const char *const seed_overrides[] = {
    "model.preset=\"cpu-tiny\"",  "train.steps=700",   "data.store=/a b",
    "optimizer.beta2=0.999",      "train.seed=77L",    "data.noise=none",
    "model.scaling_length=batch", "validation.every=5"};

static void mutate(char *text, size_t *n) {
  static const char telling[] = "{}()[]\";=:,.#/*\\\n@-+ex0L9\xff";
  static const char *const words[] = {
      "@include \"x\"\n", "99999999999", "1e999", "(((((((((", "model", "\"", "/*", "true", "-1",
      "0xFFFFFFFFF",      "steps",       "\\xZZ", "[1,2]",     "a.b"};
  mutate_text(&(mutation){ROOM, telling, sizeof telling, words, sizeof words / sizeof *words, 64}, text, n);
}

static void damaged_texts_load_or_are_refused(void **state) {
  (void)state;
  long count = mutations_wanted(1000), accepted = 0;
  drawn.seed = 2024;
  char path[64], *text = malloc(ROOM + 1);
  snprintf(path, sizeof path, "config_mutate_test.%ld.cfg", (long)getpid());
  for (long i = 0; i < count; i++) {
    size_t n = sizeof seed_text - 1;
    memcpy(text, seed_text, n);
    for (uint32_t k = draw(5); k > 0; k--) mutate(text, &n);
    char override[ROOM + 1];
    const char *o = seed_overrides[draw(sizeof seed_overrides / sizeof *seed_overrides)];
    size_t length = strlen(o);
    memcpy(override, o, length);
    for (uint32_t k = draw(3); k > 0; k--) mutate(override, &length);
    override[length] = 0;

    write_file(path, text, n);
    tt_config config, again, empty = {0};
    tt_fail(TT_OK, "%s", ""); // forget the last message
    tt_status status = tt_config_load(&config, path, (const char *const[]){override}, i % 2);
    if (status != TT_OK) {
      const char *message = tt_error_message();
      assert_int_equal(status, TT_ERR_CONFIG);
      assert_true(strncmp(message, path, strlen(path)) == 0 || strncmp(message, "--set ", 6) == 0);
      assert_memory_equal(&config, &empty, sizeof config);
      continue;
    }
    accepted++; // then it must be sound: what it prints reads back to the same
    char *first, *second;
    assert_int_equal(tt_config_print(&config, &first), TT_OK);
    write_file(path, first, strlen(first));
    if (tt_config_load(&again, path, NULL, 0) != TT_OK)
      fail_msg("mutation %ld: %s\n%s", i, tt_error_message(), first);
    assert_int_equal(tt_config_print(&again, &second), TT_OK);
    assert_string_equal(first, second);
    free(first), free(second);
    tt_config_free(&config);
    tt_config_free(&again);
  }
  unlink(path);
  free(text);
  print_message("%ld damaged configurations: %ld accepted, %ld refused\n", count, accepted, count - accepted);
  assert_true(count < 100 || (accepted > 0 && accepted < count)); // the campaign reaches both outcomes
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_texts_load_or_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
