// The run log: what is written is read back, and nothing but complete records survives a stop.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "train/hardware.h"
#include "train/runlog.h"

static char run[64], path[128];

static int make_run(void **state) {
  (void)state;
  strcpy(run, "runlog_test.XXXXXX");
  if (!mkdtemp(run)) return -1;
  snprintf(path, sizeof path, "%s/run.jsonl", run);
  return 0;
}

static int remove_run(void **state) {
  (void)state;
  unlink(path);
  return rmdir(run); // fails when a temporary file is left
}

static json_t *header(void) {
  return json_pack("{s:s, s:i}", "type", "run", "schema_version", 1);
}

static json_t *step(int n, double loss) {
  return json_pack("{s:s, s:i, s:o}", "type", "step", "step", n, "loss", tt_runlog_number(loss));
}

static void write_log(int steps) {
  tt_runlog *log;
  assert_int_equal(tt_runlog_create(&log, run, header()), TT_OK);
  for (int i = 1; i <= steps; i++) assert_int_equal(tt_runlog_append(log, step(i, 0.1 * i)), TT_OK);
  assert_int_equal(tt_runlog_sync(log), TT_OK);
  tt_runlog_close(log);
}

static void append_text(const char *text) {
  FILE *f = fopen(path, "a");
  assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static int64_t field(const json_t *records, size_t i, const char *name) {
  return json_integer_value(json_object_get(json_array_get(records, i), name));
}

static void numbers_survive(void **state) {
  (void)state;
  const double values[] = {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, 3.0, 1e15 + 0.3};
  const size_t n = sizeof values / sizeof *values;
  tt_runlog *log;
  assert_int_equal(tt_runlog_create(&log, run, header()), TT_OK);
  for (size_t i = 0; i < n; i++) assert_int_equal(tt_runlog_append(log, step((int)i, values[i])), TT_OK);
  assert_int_equal(tt_runlog_append(log, step(99, NAN)), TT_OK);
  assert_int_equal(tt_runlog_append(log, NULL), TT_ERR_ARGUMENT);
  tt_runlog_close(log);
  json_t *records;
  assert_int_equal(tt_runlog_read(path, &records), TT_OK);
  assert_int_equal(json_array_size(records), n + 2);
  for (size_t i = 0; i < n; i++) {
    json_t *loss = json_object_get(json_array_get(records, i + 1), "loss");
    assert_true(json_is_real(loss)); // also 3.0 stays a real number
    double x = json_real_value(loss);
    assert_memory_equal(&x, &values[i], sizeof x);
  }
  assert_true(json_is_null(json_object_get(json_array_get(records, n + 1), "loss")));
  json_decref(records);
}

static void a_log_is_never_overwritten(void **state) {
  (void)state;
  write_log(1);
  tt_runlog *log;
  assert_int_equal(tt_runlog_create(&log, run, header()), TT_ERR_IO);
  assert_non_null(strstr(tt_error_message(), path));
  assert_null(log);
  assert_int_equal(tt_runlog_create(&log, run, step(1, 1)), TT_ERR_ARGUMENT);
}

static void torn_last_lines_are_left_out(void **state) {
  (void)state;
  const char *const torn[] = {"{\"type\":\"step\",\"step\":4,\"lo", "{\"type\":\"step\",\"step\":4}",
                              "{\"type\":\"st\n", "\n", "\x01\x02\n"};
  for (size_t i = 0; i < sizeof torn / sizeof *torn; i++) {
    unlink(path);
    write_log(3);
    append_text(torn[i]);
    json_t *records;
    assert_int_equal(tt_runlog_read(path, &records), TT_OK);
    assert_int_equal(json_array_size(records), 4);
    json_decref(records);
    tt_runlog *log;
    assert_int_equal(tt_runlog_resume(&log, run, 3), TT_OK);
    assert_int_equal(tt_runlog_append(log, step(4, 4)), TT_OK);
    tt_runlog_close(log);
    assert_int_equal(tt_runlog_read(path, &records), TT_OK);
    assert_int_equal(json_array_size(records), 5);
    assert_int_equal(field(records, 4, "step"), 4);
    json_decref(records);
  }
}

static void broken_lines_are_named(void **state) {
  (void)state;
  write_log(2);
  append_text("{\"type\":\"step\",\"step\":3\n{\"type\":\"step\",\"step\":4}\n");
  json_t *records;
  assert_int_equal(tt_runlog_read(path, &records), TT_ERR_FORMAT);
  assert_null(records);
  assert_non_null(strstr(tt_error_message(), "line 4"));
  assert_non_null(strstr(tt_error_message(), path));
  tt_runlog *log;
  assert_int_equal(tt_runlog_resume(&log, run, 4), TT_ERR_FORMAT);
  assert_null(log);

  unlink(path);
  append_text("{\"type\":\"step\",\"step\":1}\n{\"type\":\"step\",\"step\":2}\n");
  assert_int_equal(tt_runlog_read(path, &records), TT_ERR_FORMAT); // no header
  unlink(path);
  append_text("");
  assert_int_equal(tt_runlog_read(path, &records), TT_ERR_FORMAT);
  unlink(path);
  assert_int_equal(tt_runlog_read(path, &records), TT_ERR_IO);
}

// A power loss leaves anything of what was not synced: all that follows the checkpoint's record, and nothing
// before.
static void damage_after_the_checkpoint_goes(void **state) {
  (void)state;
  static const char *const damage =
      "\x01\x02\n{\"type\":\"step\",\"step\":8,\"l\n{\"type\":\"step\",\"step\":9}\n";
  write_log(6);
  append_text(damage);
  tt_runlog *log;
  json_t *records;
  int64_t saved;
  assert_int_equal(tt_runlog_read(path, &records), TT_ERR_FORMAT);
  assert_int_equal(tt_runlog_saved(path, &saved), TT_OK);
  assert_int_equal(saved, 0);
  assert_int_equal(tt_runlog_resume(&log, run, 7), TT_ERR_FORMAT); // the lost record may have been step 7's
  assert_non_null(strstr(tt_error_message(), "line 8"));
  assert_int_equal(tt_runlog_resume(&log, run, 5), TT_OK);
  tt_runlog_close(log);
  assert_int_equal(tt_runlog_read(path, &records), TT_OK);
  assert_int_equal(json_array_size(records), 6);
  json_decref(records);

  append_text("{\"type\":\"save\",\"step\":5}\n");
  append_text(damage);
  assert_int_equal(tt_runlog_saved(path, &saved), TT_OK);
  assert_int_equal(saved, 5);
  append_text(
      "{\"type\":\"valid\",\"step\":5}\n"); // of the curve that was synced: this damage is of another kind
  assert_int_equal(tt_runlog_resume(&log, run, 5), TT_ERR_FORMAT);
  assert_null(log);
}

static void resuming_removes_later_records(void **state) {
  (void)state;
  write_log(6);
  append_text("{\"type\":\"valid\",\"step\":4,\"loss\":1.0}\n{\"type\":\"valid\",\"step\":6,\"loss\":1.0}\n"
              "{\"type\":\"resume\",\"step\":3}\n{\"type\":\"resume\",\"step\":5}\n");
  tt_runlog *log;
  assert_int_equal(tt_runlog_resume(&log, run, 7), TT_ERR_FORMAT); // the log does not reach it
  assert_int_equal(tt_runlog_resume(&log, run, 4), TT_OK);
  assert_int_equal(tt_runlog_append(log, json_pack("{s:s, s:i}", "type", "resume", "step", 4)), TT_OK);
  assert_int_equal(tt_runlog_append(log, step(5, 5)), TT_OK);
  tt_runlog_close(log);
  json_t *records;
  assert_int_equal(tt_runlog_read(path, &records), TT_OK);
  const int64_t expected[] = {0, 1, 2, 3, 4, 4, 3, 4, 5};
  assert_int_equal(json_array_size(records), sizeof expected / sizeof *expected);
  for (size_t i = 0; i < json_array_size(records); i++)
    assert_int_equal(field(records, i, "step"), expected[i]);
  json_decref(records);
}

static void a_full_disk_leaves_whole_records(void **state) {
  (void)state;
  write_log(3);
  struct stat before, after;
  stat(path, &before);
  struct rlimit old, small = {(rlim_t)before.st_size + 20, RLIM_INFINITY};
  getrlimit(RLIMIT_FSIZE, &old);
  small.rlim_max = old.rlim_max;
  signal(SIGXFSZ, SIG_IGN);
  tt_runlog *log;
  assert_int_equal(tt_runlog_resume(&log, run, 3), TT_OK);
  setrlimit(RLIMIT_FSIZE, &small);
  tt_status status = tt_runlog_append(log, step(4, 0.123456789));
  setrlimit(RLIMIT_FSIZE, &old);
  assert_int_equal(status, TT_ERR_IO);
  assert_non_null(strstr(tt_error_message(), path));
  stat(path, &after);
  assert_int_equal(after.st_size, before.st_size);
  assert_int_equal(tt_runlog_append(log, step(4, 4)), TT_OK); // once there is room, it goes on
  tt_runlog_close(log);
  json_t *records;
  assert_int_equal(tt_runlog_read(path, &records), TT_OK);
  assert_int_equal(json_array_size(records), 5);
  json_decref(records);
}

static void hardware_is_described(void **state) {
  (void)state;
  json_t *hardware = tt_hardware_json();
  const char *const texts[] = {"cpu", "system", "mpi", "hdf5", "openblas", "openblas_kernels", "compiler"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    const char *s = json_string_value(json_object_get(hardware, texts[i]));
    assert_true(s && *s);
  }
  assert_true(json_integer_value(json_object_get(hardware, "cores")) >= 1);
  assert_true(json_integer_value(json_object_get(hardware, "memory_bytes")) > 1 << 20);
  json_decref(hardware);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_run, remove_run)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(numbers_survive),
      TEST(a_log_is_never_overwritten),
      TEST(torn_last_lines_are_left_out),
      TEST(broken_lines_are_named),
      TEST(damage_after_the_checkpoint_goes),
      TEST(resuming_removes_later_records),
      TEST(a_full_disk_leaves_whole_records),
      cmocka_unit_test(hardware_is_described),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
