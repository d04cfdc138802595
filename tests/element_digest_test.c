// The digest of a tensor's elements: the same whoever digests which part, and another one after any small
// change.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/element_digest.h"

enum { COUNT = 1000 };

static void fill(float values[COUNT]) {
  for (int i = 0; i < COUNT; i++) values[i] = 0.125f * (float)(i - COUNT / 2);
}

static tt_element_digest digest_of(const float *values, int64_t count, int64_t first) {
  tt_element_digest d = {0};
  tt_element_digest_add(&d, values, count, first);
  return d;
}

static bool equal(tt_element_digest x, tt_element_digest y) {
  return x.a == y.a && x.b == y.b;
}

// Both sums must notice: one alone would be 64 bits.
static bool differ(tt_element_digest x, tt_element_digest y) {
  return x.a != y.a && x.b != y.b;
}

static void assert_text(tt_element_digest d, const char *text) {
  assert_string_equal(tt_element_digest_text(d).text, text);
}

// The expected ones by the formula of the header in Python, with integers of any length.
static void known_answers(void **state) {
  (void)state;
  float values[COUNT];
  fill(values);
  assert_text(digest_of(values, COUNT, 0), "633863e2f201c760a95cb0e8e369260b");
  assert_text(digest_of(&(float){1.0f}, 1, UINT32_MAX), "9ef9a8bcf8f1b9882542ba0c68a394b6");
  assert_text(digest_of(&(float){0.0f}, 1, 0), "e220a8397b1dcdaf10f21a26475c4214");
  assert_text(digest_of(&(float){-0.0f}, 1, 0), "25493cc63225736c7344e5797621eb49");
  assert_text(digest_of(NULL, 0, 0), "00000000000000000000000000000000");
}

static void parts_in_any_order_add_up(void **state) {
  (void)state;
  float values[COUNT];
  fill(values);
  tt_element_digest whole = digest_of(values, COUNT, 0);
  for (int width = 1; width <= COUNT; width += width < 40 ? 1 : 97) {
    tt_element_digest forth = {0}, back = {0}, sum = {0};
    int parts = (COUNT + width - 1) / width;
    for (int k = 0; k < parts; k++) {
      int at = k * width, count = at + width < COUNT ? width : COUNT - at;
      tt_element_digest_add(&forth, values + at, count, at);
      tt_element_digest part = digest_of(values + at, count, at);
      sum.a += part.a, sum.b += part.b;
      at = (parts - 1 - k) * width, count = at + width < COUNT ? width : COUNT - at;
      tt_element_digest_add(&back, values + at, count, at);
    }
    assert_true(equal(forth, whole) && equal(back, whole) && equal(sum, whole));
  }
}

static void every_bit_counts(void **state) {
  (void)state;
  float values[COUNT];
  fill(values);
  tt_element_digest whole = digest_of(values, COUNT, 0);
  for (int i = 0; i < COUNT; i++)
    for (int bit = 0; bit < 32; bit++) {
      float kept = values[i];
      uint32_t bits;
      memcpy(&bits, &values[i], sizeof bits);
      bits ^= (uint32_t)1 << bit;
      memcpy(&values[i], &bits, sizeof bits);
      assert_true(differ(digest_of(values, COUNT, 0), whole));
      values[i] = kept;
    }
}

static void places_count(void **state) {
  (void)state;
  float values[COUNT];
  fill(values);
  tt_element_digest whole = digest_of(values, COUNT, 0);
  for (int i = 0; i < COUNT; i += 7)
    for (int k = i + 1; k < COUNT; k += 11) {
      float x = values[i], y = values[k];
      values[i] = y, values[k] = x;
      assert_true(differ(digest_of(values, COUNT, 0), whole));
      values[i] = x, values[k] = y;
    }
  assert_true(differ(digest_of(values, COUNT, 1), whole));
  float first = values[0];
  memmove(values, values + 1, (COUNT - 1) * sizeof *values);
  values[COUNT - 1] = first;
  assert_true(differ(digest_of(values, COUNT, 0), whole));
}

// Zeros are the commonest value of a new run's moments: their number and their sign must show.
static void zeros_count(void **state) {
  (void)state;
  float zeros[COUNT] = {0};
  tt_element_digest whole = digest_of(zeros, COUNT, 0);
  assert_true(differ(digest_of(zeros, COUNT - 1, 0), whole));
  for (int i = 0; i < COUNT; i++) {
    zeros[i] = -0.0f;
    assert_true(differ(digest_of(zeros, COUNT, 0), whole));
    zeros[i] = 0.0f;
  }
  assert_true(equal(digest_of(zeros, COUNT, 0), whole));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(known_answers),    cmocka_unit_test(parts_in_any_order_add_up),
      cmocka_unit_test(every_bit_counts), cmocka_unit_test(places_count),
      cmocka_unit_test(zeros_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
