// What makes a run stop, and what keeps it from being started for ever: signals, the time limit, starts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/interrupt.h"
#include "train/starts.h"
#include "train/stopping.h"

static tt_comm comm;

// ---- signals: each case in a process of its own ----

static void pause_for(double seconds) {
  struct timespec left = {(time_t)seconds, (long)(1e9 * (seconds - (time_t)seconds))};
  while (nanosleep(&left, &left) != 0) continue;
}

static int code_of(void (*child)(void)) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) child(), _exit(0);
  int code;
  assert_int_equal(waitpid(pid, &code, 0), pid);
  assert_true(WIFEXITED(code));
  return WEXITSTATUS(code);
}

static void first_counts(void) {
  tt_interrupt_install();
  if (tt_interrupt_signal() != 0) _exit(1);
  raise(SIGUSR1), raise(SIGTERM), raise(SIGTERM), raise(SIGHUP); // one request, passed on by several
  if (tt_interrupt_signal() != SIGUSR1) _exit(2);
}

static void later_ends(void) {
  tt_interrupt_install();
  raise(SIGUSR2);
  pause_for(TT_INTERRUPT_SAME_S + 0.1);
  raise(SIGINT);
}

static void ignored_stays_so(void) {
  signal(SIGHUP, SIG_IGN), signal(SIGINT, SIG_IGN), signal(SIGTERM, SIG_IGN);
  tt_interrupt_install();
  raise(SIGHUP), raise(SIGINT);
  if (tt_interrupt_signal() != 0) _exit(1);
  raise(SIGTERM); // a batch system's word counts whatever was before
  if (tt_interrupt_signal() != SIGTERM) _exit(2);
}

static void settled_ends(void) {
  tt_interrupt_install();
  tt_interrupt_settle(75);
  raise(SIGTERM);
}

static void signals(void **state) {
  (void)state;
  assert_int_equal(code_of(first_counts), 0);
  assert_int_equal(code_of(later_ends), 128 + SIGINT);
  assert_int_equal(code_of(ignored_stays_so), 0);
  assert_int_equal(code_of(settled_ends), 75);
  assert_string_equal(tt_interrupt_name(SIGUSR2), "SIGUSR2");
}

// ---- time ----

static tt_stopping with_left(double seconds) {
  return (tt_stopping){.comm = &comm, .end_time = (double)time(NULL) + seconds};
}

static void time_limit(void **state) {
  (void)state;
  tt_stopping none = {.comm = &comm, .save_seconds = 1e9};
  assert_int_equal(tt_stopping_look(&none), TT_OK);
  assert_int_equal(tt_stopping_look(NULL), TT_OK);
  tt_stopping over = with_left(-10);
  assert_int_equal(tt_stopping_look(&over), TT_STOPPED);
  assert_string_equal(over.reason, "time limit");
  over.end_time += 1e6; // once decided it stays so
  assert_int_equal(tt_stopping_look(&over), TT_STOPPED);
  // 5 s to spare, 2 saves, 2 updates
  tt_stopping s = with_left(100);
  s.save_seconds = 40;
  assert_int_equal(tt_stopping_look(&s), TT_OK);
  s.recent[TT_STOPPING_RECENT - 1] = 5;
  assert_int_equal(tt_stopping_look(&s), TT_OK);
  s.recent[TT_STOPPING_RECENT / 2] = 10;
  tt_stopping later = s;
  assert_int_equal(tt_stopping_look(&s), TT_STOPPED);
  tt_stopping_forget(&later);
  assert_int_equal(tt_stopping_look(&later), TT_OK);
  later.save_seconds = 50;
  assert_int_equal(tt_stopping_look(&later), TT_STOPPED);
}

static void measures_updates(void **state) {
  (void)state;
  tt_stopping s = with_left(1000);
  assert_int_equal(tt_stopping_look(&s), TT_OK);
  for (int k = 0; k < TT_STOPPING_RECENT; k++)
    assert_true(s.recent[k] == 0); // nothing was between two looks yet
  s.last -= 600;                   // as if the update had taken that long
  assert_int_equal(tt_stopping_look(&s), TT_STOPPED);
  assert_true(s.recent[0] >= 600);
}

// ---- starts ----

static char run[] = "/tmp/twotrack-starts-XXXXXX", path[200];

static void start(const char *restart, int64_t step) {
  setenv("TWOTRACK_RESTART", restart, 1);
  assert_int_equal(tt_starts_note(run, step, 2), TT_OK);
}

static tt_status check(const char *restart, int64_t step) {
  setenv("TWOTRACK_RESTART", restart, 1);
  return tt_starts_check(run, step);
}

static void counts_restarts(void **state) {
  (void)state;
  unsetenv("TWOTRACK_RESTART"), unsetenv("SLURM_RESTART_COUNT");
  assert_int_equal(tt_starts_automatic(), 0);
  setenv("SLURM_RESTART_COUNT", "3", 1);
  assert_int_equal(tt_starts_automatic(), 3);
  setenv("TWOTRACK_RESTART", "5", 1);
  assert_int_equal(tt_starts_automatic(), 5);
  setenv("SLURM_RESTART_COUNT", "-1", 1), setenv("TWOTRACK_RESTART", "x", 1);
  assert_int_equal(tt_starts_automatic(), 0);
  unsetenv("SLURM_RESTART_COUNT");
}

static void no_endless_restarts(void **state) {
  (void)state;
  assert_int_equal(check("1", 0), TT_OK); // nothing is known yet
  start("0", 0);
  assert_int_equal(check("1", 0), TT_OK);
  start("1", 0);
  assert_int_equal(check("2", 0), TT_ERR_DATA);
  assert_non_null(strstr(tt_error_message(), "started 2 times from update 0"));
  assert_int_equal(check("2", 7), TT_OK); // it has got on
  start("2", 7), start("3", 9), start("4", 9);
  assert_int_equal(check("5", 9), TT_ERR_DATA);
  assert_int_equal(check("0", 9), TT_OK); // by hand, always; and that begins anew
  start("0", 9);
  assert_int_equal(check("1", 9), TT_OK);
  FILE *file = fopen(path, "a");
  assert_non_null(file);
  fputs("no record\n{\"step\":\"x\"}\n", file), fclose(file);
  start("1", 9);
  assert_int_equal(check("2", 9), TT_ERR_DATA);
}

static void one_line_of_json(void **state) {
  (void)state;
  char *text;
  size_t bytes;
  unlink(path);
  setenv("SLURM_JOB_ID", "42", 1);
  start("3", 12);
  assert_int_equal(tt_file_read(path, &text, &bytes), TT_OK);
  assert_int_equal(strncmp(text, "{\"step\":12,\"time\":", 18), 0);
  assert_non_null(strstr(text, ",\"job\":\"42\",\"restart\":3,\"ranks\":2}\n"));
  assert_ptr_equal(strchr(text, '\n'), text + bytes - 1);
  free(text);
  char gone[sizeof run + 5];
  snprintf(gone, sizeof gone, "%s/gone", run);
  assert_int_equal(tt_starts_note(gone, 0, 1), TT_ERR_IO); // no folder
}

// As a power loss may leave the file.
static void a_torn_line_takes_no_other_with_it(void **state) {
  (void)state;
  unlink(path);
  setenv("TWOTRACK_RESTART", "1", 1);
  assert_int_equal(tt_starts_note(run, 5, 1), TT_OK);
  FILE *f = fopen(path, "a");
  fputs("{\"step\":5,\"ti", f);
  fclose(f);
  assert_int_equal(tt_starts_note(run, 5, 1), TT_OK);
  assert_int_equal(tt_starts_check(run, 5), TT_ERR_DATA);
  assert_int_equal(tt_starts_check(run, 6), TT_OK);
  unsetenv("TWOTRACK_RESTART");
  unlink(path);
}

int main(void) {
  if (tt_comm_start(&comm) != TT_OK || !mkdtemp(run)) return 1;
  snprintf(path, sizeof path, "%s/starts.jsonl", run);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(signals),
      cmocka_unit_test(time_limit),
      cmocka_unit_test(measures_updates),
      cmocka_unit_test(counts_restarts),
      cmocka_unit_test(no_endless_restarts),
      cmocka_unit_test(one_line_of_json),
      cmocka_unit_test(a_torn_line_takes_no_other_with_it),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path), rmdir(run);
  tt_comm_finish(&comm);
  return failed;
}
