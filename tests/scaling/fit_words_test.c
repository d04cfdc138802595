// The small parts of a fit's report: digits by uncertainty, short numbers, residuals by size, lines of text.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cli/fit_format.h"
#include "scaling/axes.h"
#include "scaling/lettering.h"
#include "scaling/residuals.h"

static void test_values(void **state) {
  (void)state;
  static const struct {
    double value, uncertainty;
    const char *text;
  } cases[] = {
      {1.81722, 0.0224, "1.817"},
      {477.83, 120, "478"},
      {2143.42, 640, "2140"},
      {0.34732, 0.0151, "0.347"},
      {0.099961, 0.002, "0.100"},
      {9.996, 0.9, "10.0"},
      {-0.225, 0.001, "-0.2250"},
      {1.23456789, 1e-9, "1.234568"},
      {482.01, NAN, "482.01"},
      {2085.43, NAN, "2085.4"},
      {1.2e-7, 3e-8, "1.20e-07"},
      {1.5e9, 1e8, "1.50e+09"},
      {0, 0.1, "0"},
      {NAN, 1, "-"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[40];
    tt_fit_format_value(text, sizeof text, cases[i].value, cases[i].uncertainty);
    assert_string_equal(text, cases[i].text);
  }
  char text[90];
  tt_fit_format_range(text, sizeof text, 1.7711, 1.8693, 0.022);
  assert_string_equal(text, "1.771 to 1.869");
  tt_fit_format_range(text, sizeof text, NAN, 1, 0.1);
  assert_string_equal(text, "-");
  tt_fit_format_error(text, sizeof text, 0.02239);
  assert_string_equal(text, "0.022");
  tt_fit_format_percent(text, sizeof text, -0.00404);
  assert_string_equal(text, "-0.40 %");
}

static void test_short_numbers(void **state) {
  (void)state;
  static const struct {
    double value;
    const char *text;
  } cases[] = {{41300, "41.3k"},  {999.4, "999"},   {999600, "1M"},
               {1.13e9, "1.13B"}, {1.4e12, "1.4T"}, {6.8e18, "6.8e+18"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[40];
    tt_lettering_number(text, sizeof text, cases[i].value);
    assert_string_equal(text, cases[i].text);
  }
}

// Losses that lie off L = 2 by known factors.
static void test_residuals(void **state) {
  (void)state;
  const tt_law *law = tt_law_power(TT_VARIABLE_SIZE);
  const double theta[] = {2, 0, 1};
  tt_observation rows[40];
  tt_residual_row table[TT_RESIDUAL_ROWS];
  // two sizes, one of them a part in 10 million apart; rows in any order
  const double size[] = {1e6, 1e3, 1e6 * (1 + 1e-7), 1e3, 1e3}, off[] = {0.01, 0.02, -0.03, -0.02, 0.06};
  for (int i = 0; i < 5; i++) rows[i] = (tt_observation){.size = size[i], .loss = 2 * exp(off[i])};
  rows[5] = (tt_observation){.size = NAN, .loss = 2};
  assert_int_equal(tt_residuals_by_size(law, theta, rows, 5, table), 2);
  assert_true(table[0].count == 3 && table[1].count == 2);
  assert_true(fabs(table[0].mean - 0.02) < 1e-12 && fabs(table[1].mean + 0.01) < 1e-12);
  assert_true(fabs(table[0].rms - sqrt(0.0044 / 3)) < 1e-12);
  assert_true(table[0].worst_row == 4 && fabs(table[0].worst - 0.06) < 1e-12);
  assert_true(table[1].worst_row == 2 && fabs(table[1].worst + 0.03) < 1e-12);
  // many sizes: eight ranges that hold every row once
  for (int i = 0; i < 40; i++) rows[i] = (tt_observation){.size = pow(10, 3 + i / 13.0), .loss = 2};
  int ranges = tt_residuals_by_size(law, theta, rows, 40, table);
  assert_int_equal(ranges, 8);
  size_t count = 0;
  for (int k = 0; k < ranges; k++) {
    count += table[k].count;
    if (k) assert_true(table[k].smallest > table[k - 1].largest);
  }
  assert_int_equal(count, 40);
  assert_true(table[0].smallest == rows[0].size && table[7].largest == rows[39].size);
}

static void test_linear_axis(void **state) {
  (void)state;
  tt_axis axis = {.low = -0.043, .high = 0.021, .start = 200, .end = 100, .linear = true};
  tt_tick ticks[TT_TICKS];
  int count = tt_axis_ticks(&axis, 20, ticks), labelled = 0;
  bool zero = false, negative = false;
  for (int i = 0; i < count; i++) {
    assert_true(ticks[i].value >= axis.low && ticks[i].value <= axis.high);
    labelled += ticks[i].label[0] != 0;
    zero |= strcmp(ticks[i].label, "0.00") == 0 && ticks[i].value == 0;
    negative |= strcmp(ticks[i].label, "−0.02") == 0;
  }
  assert_true(zero && negative && labelled >= 3 && labelled <= 6);
  assert_true(fabs(tt_axis_at(&axis, -0.043) - 200) < 1e-9 && fabs(tt_axis_at(&axis, 0.021) - 100) < 1e-9);
}

static void test_paragraph(void **state) {
  (void)state;
  tt_canvas *canvas;
  assert_int_equal(tt_canvas_create(&canvas, "unused.svg", 10, 10, 1), TT_OK);
  tt_text_style style = {.size = 10};
  double word = tt_canvas_text_width(canvas, &style, "word"),
         two = tt_canvas_text_width(canvas, &style, "word word");
  const char *text = "word word word word";
  // as many lines as the width asks for, and never none or without end
  assert_true(tt_lettering_paragraph(canvas, (tt_point){0, 0}, 1000, 1, 0, &style, text, false) == 1);
  assert_true(tt_lettering_paragraph(canvas, (tt_point){0, 0}, two + 1, 1, 0, &style, text, false) == 2);
  assert_true(tt_lettering_paragraph(canvas, (tt_point){0, 0}, word + 1, 1, 0, &style, text, false) == 4);
  assert_true(tt_lettering_paragraph(canvas, (tt_point){0, 0}, 3, 1, 0, &style, text, false) == 4);
  assert_true(tt_lettering_paragraph(canvas, (tt_point){0, 0}, 3, 1, 0, &style, "", false) == 0);
  char endless[1200];
  memset(endless, 'x', sizeof endless - 1);
  endless[sizeof endless - 1] = 0;
  double lines = tt_lettering_paragraph(canvas, (tt_point){0, 0}, 100, 1, 0, &style, endless, false);
  assert_true(lines >= 2 && lines <= 4);
  tt_canvas_free(canvas);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values),    cmocka_unit_test(test_short_numbers),
      cmocka_unit_test(test_residuals), cmocka_unit_test(test_linear_axis),
      cmocka_unit_test(test_paragraph),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
