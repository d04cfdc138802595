// The record of failures: who writes it, what counts, when a run stays stopped. One process.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/comm.h"
#include "core/file.h"
#include "train/failures.h"

static tt_comm comm;
static char run[] = "/tmp/twotrack-failures-XXXXXX", path[200];

static int empty(void **state) {
  (void)state;
  unlink(path);
  tt_failures_end_watch();
  return 0;
}

static void fail_at(int64_t checkpoint, int64_t step, const char *message) {
  int64_t now = checkpoint;
  tt_failures_watch(run, 3, &now);
  now = step;
  tt_comm_agree(&comm, tt_fail(TT_ERR_NUMERIC, "%s", message));
  tt_failures_end_watch();
}

static void assert_refused(int64_t checkpoint, const char *words) {
  assert_int_equal(tt_failures_check(run, checkpoint), TT_ERR_DATA);
  if (!strstr(tt_error_message(), words)) fail_msg("no '%s' in: %s", words, tt_error_message());
}

static void is_one_line_of_json(void **state) {
  (void)state;
  char *text;
  size_t bytes;
  fail_at(8, 11, "a \"bad\"\nthing");
  assert_int_equal(tt_file_read(path, &text, &bytes), TT_OK);
  assert_string_equal(text,
                      "{\"checkpoint\":8,\"step\":11,\"rank\":3,\"message\":\"a \\\"bad\\\"\\nthing\"}\n");
  free(text);
}

static void twice_from_one_checkpoint_is_enough(void **state) {
  (void)state;
  assert_int_equal(tt_failures_check(run, 8), TT_OK); // no file yet
  fail_at(8, 11, "first");
  fail_at(0, 3, "from the start");
  assert_int_equal(tt_failures_check(run, 8), TT_OK);
  fail_at(8, 12, "second");
  fail_at(4, 5, "from another");
  assert_refused(
      8, "2 times from its checkpoint of update 8, the last time after update 12 on rank 3: 'second'");
  assert_refused(8, path); // what to remove
  assert_int_equal(tt_failures_check(run, 4), TT_OK);
  assert_int_equal(tt_failures_check(run, 12), TT_OK);
  assert_int_equal(tt_failures_check(run, 0), TT_OK);
  fail_at(0, 3, "from the start");
  assert_refused(0, "2 times from its start");
  unlink(path);
  assert_int_equal(tt_failures_check(run, 8), TT_OK);
}

static void other_lines_do_not_count(void **state) {
  (void)state;
  fail_at(8, 11, "first");
  FILE *f = fopen(path, "a");
  fputs("not JSON\n\n[8]\n{\"checkpoint\":\"8\"}\n{\"checkpoint\":8,\"st", f);
  fclose(f);
  assert_int_equal(tt_failures_check(run, 8), TT_OK);
  fail_at(8, 12, "second"); // after a line whose writer was killed: it begins a line of its own
  assert_refused(
      8, "2 times from its checkpoint of update 8, the last time after update 12 on rank 3: 'second'");
}

static void any_bytes_can_be_noted(void **state) {
  (void)state;
  fail_at(8, 11,
          "cannot read /data/mol\xe9"
          "cules");
  fail_at(8, 11,
          "cannot read /data/mol\xe9"
          "cules");
  assert_refused(8, "/data/mol\\xE9cules");
}

// Neither before, nor after, nor what ends for another reason than the program's.
static void only_while_watched(void **state) {
  (void)state;
  int64_t step = 0;
  tt_comm_agree(&comm, tt_fail(TT_ERR_CONFIG, "before"));
  assert_false(tt_file_exists(path));
  tt_failures_watch(run, 0, &step);
  tt_comm_agree(&comm, TT_OK);
  assert_false(tt_file_exists(path));
  tt_failures_end_watch();
  tt_comm_agree(&comm, tt_fail(TT_ERR_CONFIG, "after"));
  assert_false(tt_file_exists(path));
}

int main(void) {
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  if (!mkdtemp(run)) return perror(run), 1;
  snprintf(path, sizeof path, "%s/failures.jsonl", run);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(is_one_line_of_json, empty),
      cmocka_unit_test_setup(twice_from_one_checkpoint_is_enough, empty),
      cmocka_unit_test_setup(other_lines_do_not_count, empty),
      cmocka_unit_test_setup(any_bytes_can_be_noted, empty),
      cmocka_unit_test_setup(only_while_watched, empty),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path), rmdir(run);
  tt_comm_finish(&comm);
  return failed;
}
