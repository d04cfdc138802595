// The set of batches that a run leaves out: by its definition, number by number.
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/number_set.h"

static tt_number_set parsed(const char *text) {
  tt_number_set set = {0};
  if (tt_number_set_parse(&set, text) != TT_OK) fail_msg("%s", tt_error_message());
  return set;
}

static void missing_numbers_are_those_not_in_it(void **state) {
  (void)state;
  static const char *const texts[] = {"", "0", "0-4", "3", "1 3,5", "2-5, 7, 9-12", "40", "0,2-3,6-9,11"};
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
    tt_number_set set = parsed(texts[k]);
    size_t below = 0;
    for (int64_t value = 0, n = 0; value < 60; value++) {
      bool in = false;
      for (size_t i = 0; i < set.count; i++) in |= set.values[i] == value;
      assert_int_equal(tt_number_set_has(&set, value), in);
      assert_int_equal(tt_number_set_below(&set, value), below);
      if (!in) assert_int_equal(tt_number_set_missing(&set, n++), value);
      below += in;
    }
    tt_number_set_free(&set);
  }
}

static void texts_are_read_and_printed(void **state) {
  (void)state;
  char text[64];
  tt_number_set set = parsed(" 9,3-5 4, 7 8 1000000000000"), copy = {0};
  assert_int_equal(set.count, 7);
  tt_number_set_print(&set, text, sizeof text);
  assert_string_equal(text, "3-5, 7-9, 1000000000000");
  tt_number_set_print(&set, text, 20);
  assert_string_equal(text, "3-5, 7-9, ...");
  assert_int_equal(tt_number_set_copy(&copy, &set), TT_OK);
  assert_int_equal(tt_number_set_add(&copy, 6), TT_OK);
  assert_int_equal(tt_number_set_add(&copy, 6), TT_OK);
  tt_number_set_print(&copy, text, sizeof text);
  assert_string_equal(text, "3-9, 1000000000000");
  assert_int_equal(set.count, 7);
  tt_number_set_free(&copy), tt_number_set_free(&set);
  tt_number_set_print(&set, text, sizeof text);
  assert_string_equal(text, "");
}

static void other_texts_are_refused(void **state) {
  (void)state;
  static const char *const texts[] = {"x",   "-1",   "1-",    "3-2",           "1.5",
                                      "1;2", "1--2", "1 - 2", "1000000000001", "99999999999999999999"};
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
    tt_number_set set = {0};
    assert_int_equal(tt_number_set_parse(&set, texts[k]), TT_ERR_ARGUMENT);
    assert_non_null(strstr(tt_error_message(), "is no list of numbers"));
    tt_number_set_free(&set);
  }
  tt_number_set set = {0};
  assert_int_equal(tt_number_set_parse(&set, "5-1000005"), TT_ERR_ARGUMENT);
  assert_int_equal(tt_number_set_parse(&set, "5-1000004"), TT_OK);
  assert_int_equal(set.count, TT_NUMBER_SET_MOST);
  tt_number_set_free(&set);
  assert_int_equal(tt_number_set_parse(&set, "500000-999998, 0-499999 0"), TT_OK); // soon, in any order
  assert_int_equal(set.count, 999999);
  assert_int_equal(tt_number_set_missing(&set, 0), 999999);
  tt_number_set_free(&set);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(missing_numbers_are_those_not_in_it),
                                     cmocka_unit_test(texts_are_read_and_printed),
                                     cmocka_unit_test(other_texts_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
