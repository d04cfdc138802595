// The progress line: its text at every width, and what reaches a terminal and a file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/progress.h"

static const tt_progress half = {.what = "training",
                                 .counter = "step",
                                 .unit = "molecules",
                                 .done = 312,
                                 .total = 600,
                                 .rate = 412.3,
                                 .seconds_left = 42,
                                 .loss = 1.2341,
                                 .token = 0.91,
                                 .position = 0.25,
                                 .distance = 0.08};

static int columns(const char *s) {
  int n = 0;
  for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
  return n;
}

static void shows_all_parts(void **state) {
  (void)state;
  char line[1024];
  tt_progress_format(&half, 40, 200, true, line, sizeof line);
  assert_string_equal(
      line, "training  ▕██████████▍░░░░░░░░░▏  52 %  step 312/600  loss 1.234 (token 0.91  position 0.25  "
            "distance 0.08)  412 molecules/s  0:42 left");
  tt_progress_format(&half, 40, 200, false, line, sizeof line);
  assert_string_equal(
      line, "training  [##########..........]  52 %  step 312/600  loss 1.234 (token 0.91  position 0.25  "
            "distance 0.08)  412 molecules/s  0:42 left");
}

static void leaves_out_what_is_unknown(void **state) {
  (void)state;
  char line[1024];
  tt_progress p = {.what = "building", .unit = "molecules", .done = 10, .total = 10, .seconds_left = NAN};
  tt_progress_format(&p, 3725, 200, false, line, sizeof line);
  assert_string_equal(line, "building  [####################] 100 %  10/10 molecules  took 1:02:05");
  p = half, p.token = NAN, p.rate = 1.25, p.seconds_left = 200000, p.done = 599;
  tt_progress_format(&p, 1, 200, false, line, sizeof line);
  assert_string_equal(
      line, "training  [###################.]  99 %  step 599/600  loss 1.234 (position 0.25  distance "
            "0.08)  1.2 molecules/s  2 d 7:33:20 left");
  p = half, p.loss = NAN, p.waiting = 0.051;
  tt_progress_format(&p, 1, 200, false, line, sizeof line);
  assert_string_equal(
      line, "training  [##########..........]  52 %  step 312/600  412 molecules/s  5 % waiting for data  "
            "0:42 left");
  p.waiting = 0.05; // not worth a word
  tt_progress_format(&p, 1, 200, false, line, sizeof line);
  assert_null(strstr(line, "data"));
  p = half, p.loss = INFINITY, p.token = p.position = p.distance = NAN, p.done = p.total = 0;
  tt_progress_format(&p, NAN, 200, false, line, sizeof line);
  assert_string_equal(line, "training  [....................]   0 %  step 0/0  loss inf  412 molecules/s");
}

static void fits_any_width(void **state) {
  (void)state;
  char line[1024], before[1024] = "";
  for (int utf8 = 0; utf8 < 2; utf8++)
    for (int width = 1; width < 200; width++) {
      tt_progress_format(&half, 40, width, utf8, line, sizeof line);
      assert_in_range(columns(line), 1, width);
      assert_true(strstr(line, "52 %") || width < 20);
      assert_true(columns(line) >= columns(before) || width == 1);
      strcpy(before, line);
    }
}

// What tt_progress_show and tt_progress_clear write to a terminal (columns > 0) or a file for steps 0, 1, ...
// total.
static void listen(int terminal_columns, int total, char *out, size_t size) {
  FILE *file = terminal_columns ? NULL : tmpfile();
  int master = -1, slave = -1, kept = dup(STDERR_FILENO);
  if (terminal_columns) {
    master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct winsize w = {.ws_col = (unsigned short)terminal_columns, .ws_row = 24};
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &w), 0);
  }
  fflush(stderr);
  dup2(file ? fileno(file) : slave, STDERR_FILENO);
  tt_progress p = half;
  p.total = total;
  for (p.done = 0; p.done <= total; p.done++) tt_progress_show(&p);
  p.done = total;
  tt_progress_show(&p); // the end is shown once
  tt_progress_clear();
  fflush(stderr);
  dup2(kept, STDERR_FILENO);
  close(kept);
  size_t n = 0;
  if (file) {
    rewind(file);
    n = fread(out, 1, size - 1, file);
    fclose(file);
  } else {
    fcntl(master, F_SETFL, O_NONBLOCK);
    for (ssize_t got; n < size - 1 && (got = read(master, out + n, size - 1 - n)) > 0;) n += (size_t)got;
    close(slave), close(master);
  }
  out[n] = 0;
}

static int count(const char *s, char c) {
  int n = 0;
  for (; *s; s++) n += *s == c;
  return n;
}

static void rewrites_one_line_on_a_terminal(void **state) {
  (void)state;
  char out[100000];
  setenv("TERM", "xterm", 1), setenv("LC_ALL", "C.UTF-8", 1);
  listen(80, 500, out, sizeof out);
  assert_int_equal(strncmp(out, "\rtraining", 9), 0);
  assert_int_equal(count(out, '\n'), 1);
  assert_in_range(count(out, '\r'), 3,
                  100); // 501 states, few of them shown; the terminal adds one before the feed
  assert_non_null(strstr(out, "100 %"));
  assert_non_null(strstr(out, "█"));
  for (char *line = strtok(out, "\r\n"); line; line = strtok(NULL, "\r\n")) {
    char *end = strstr(line, "\033[K");
    assert_non_null(end);
    *end = 0;
    assert_in_range(columns(line), 20, 79);
  }
}

static void prints_few_lines_elsewhere(void **state) {
  (void)state;
  char out[100000];
  setenv("TERM", "xterm", 1), setenv("LC_ALL", "C", 1);
  listen(0, 500, out, sizeof out);
  assert_int_equal(count(out, '\n'), 2); // the first and the last
  assert_int_equal(count(out, '\r') + count(out, '\033'), 0);
  assert_non_null(strstr(out, "100 %"));
  assert_non_null(strstr(out, "distance 0.08")); // not cut
  assert_null(strstr(out, "█"));
  setenv("TERM", "dumb", 1);
  listen(60, 500, out, sizeof out);
  assert_int_equal(count(out, '\n'), 2);
  assert_int_equal(count(out, '\033'), 0);
}

// Behind mpirun stderr is a pipe: the environment says what it leads to.
static void obeys_the_environment(void **state) {
  (void)state;
  char out[100000];
  setenv("TERM", "xterm", 1), setenv("LC_ALL", "C", 1);
  setenv("TWOTRACK_PROGRESS", "line", 1), setenv("COLUMNS", "50", 1);
  listen(0, 500, out, sizeof out);
  assert_int_equal(count(out, '\n'), 1);
  assert_in_range(count(out, '\r'), 2, 100);
  char *line = strtok(out, "\r\n"), *end = strstr(line, "\033[K");
  assert_non_null(end);
  *end = 0;
  assert_in_range(columns(line), 20, 49);
  setenv("TWOTRACK_PROGRESS", "plain", 1);
  listen(80, 500, out, sizeof out);
  assert_int_equal(count(out, '\033'), 0);
  unsetenv("TWOTRACK_PROGRESS"), unsetenv("COLUMNS");
}

int main(void) {
  unsetenv("TWOTRACK_PROGRESS"); // whoever starts the tests may have set it
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shows_all_parts),
      cmocka_unit_test(leaves_out_what_is_unknown),
      cmocka_unit_test(fits_any_width),
      cmocka_unit_test(rewrites_one_line_on_a_terminal),
      cmocka_unit_test(prints_few_lines_elsewhere),
      cmocka_unit_test(obeys_the_environment),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
