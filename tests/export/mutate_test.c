// A seeded mutation campaign: damaged run logs become event files or are refused with a message, and never
// crash, leak or leave something half done (run it under the sanitizers). TT_TEST_MUTATIONS sets how many,
// 200 if unset.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/file.h"
#include "export/tensorboard.h"
#include "mutation.h"

enum { ROOM = 1 << 14 };

#define RUN                                                                                                  \
  "{\"type\":\"run\",\"config\":\"model = {\\n  preset = \\\"cpu-tiny\\\";\\n};\\n"                          \
  "train = {\\n  seed = 3;\\n  steps = 900;\\n};\\noptimizer = {\\n  warmup_steps = 5;\\n};\\n\","           \
  "\"parameters\":{\"total\":41258},\"store_digest\":\"9dfa\",\"started_unix\":1795454224}\n"
#define VALID                                                                                                \
  "{\"type\":\"valid\",\"step\":50,\"samples\":800,\"loss\":5.5,\"loss_token\":4.8,\"loss_se\":0.005}\n"
#define STEP                                                                                                 \
  "{\"type\":\"step\",\"step\":50,\"samples\":800,\"loss\":4.2,\"loss_token\":3.5,\"loss_position\":0.47,"   \
  "\"lr\":0.00196,\"grad_norm\":2.77,\"atoms\":13330,\"pairs\":301884,\"flops_executed\":30121665503.99,"    \
  "\"samples_per_s\":264.06,\"data_s\":0.002}\n"
#define OTHERS                                                                                               \
  "{\"type\":\"save\",\"step\":50,\"bytes\":4}\n{\"type\":\"resume\",\"step\":50}\n"                         \
  "{\"type\":\"step\",\"step\":100,\"samples\":1600,\"loss\":null,\"lr\":0.002,\"samples_per_s\":279.5}\n"

static const char seed_log[] = RUN STEP VALID OTHERS VALID;

static void mutate(char *text, size_t *n) {
  static const char *const words[] = {
      "1e308",  "-1", "null",        "\"\"", "1e-320", "\n",  "9223372036854775807",
      "-1e308", "{}", "99999999999", "true", "[",      "0.5", "\\u0000"};
  static const char telling[] = "{}[]\":,\\\n-+.e09 \xff";
  enum { WORDS = sizeof words / sizeof *words };
  if (draw(2))
    mutate_text(&(mutation){ROOM, telling, sizeof telling, words, WORDS, 64}, text, n);
  else { // another value: what keeps the log readable gets furthest
    const char *word = words[draw(WORDS)];
    size_t at = draw((uint32_t)*n + 1);
    while (at < *n && text[at] != ':') at++;
    if (at == *n) return;
    text[*n] = 0;
    cut(text, n, at + 1, strcspn(text + at + 1, ",}\n"));
    paste(text, n, ROOM, at + 1, word, strlen(word));
  }
}

static void damaged_logs_are_exported_or_refused(void **state) {
  (void)state;
  long count = mutations_wanted(200), exported = 0;
  drawn.seed = 0x65766e74;
  char folder[] = "export_mutate_test.XXXXXX", *text = malloc(ROOM + 1);
  assert_non_null(mkdtemp(folder));
  assert_int_equal(chdir(folder), 0);
  assert_int_equal(mkdir("run", 0777), 0);
  const char *const log = "run/run.jsonl", *const path = "out/run/events.out.tfevents.twotrack";
  for (long i = 0; i < count; i++) {
    size_t n = sizeof seed_log - 1;
    memcpy(text, seed_log, n + 1);
    for (uint32_t k = i ? 1 + draw(4) : 0; k > 0; k--) mutate(text, &n); // the first one is whole
    write_file(log, text, n);
    tt_fail(TT_OK, "%s", ""); // forget the last message
    tt_run_table table;
    tt_status status = tt_run_table_read(&table, (const char *const[]){"run"}, 1);
    if (status == TT_OK) {
      status = tt_export_tensorboard(&table, "out");
      tt_run_table_free(&table);
    }
    assert_int_equal(tt_file_exists(path), status == TT_OK);
    if (i == 0 && status != TT_OK) fail_msg("%s", tt_error_message());
    if (status != TT_OK)
      assert_non_null(strstr(tt_error_message(), log));
    else
      exported++, unlink(path);
    if (tt_file_exists("out/run")) // nothing half done is left
      assert_int_equal(rmdir("out/run"), 0);
  }
  print_message("%ld mutated logs: %ld exported\n", count, exported);
  assert_true(count < 100 || (exported > count / 10 && exported < count));
  unlink(log), rmdir("run"), rmdir("out");
  assert_int_equal(chdir(".."), 0);
  assert_int_equal(rmdir(folder), 0);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_logs_are_exported_or_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
