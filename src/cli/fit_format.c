#include "cli/fit_format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// `digits` significant ones, without an exponent where a reader would not write one.
static void significant(char *text, size_t size, double value, int digits) {
  if (value == 0) {
    snprintf(text, size, "0");
    return;
  }
  // the exponent after rounding: 9.996 with three digits is 10.0
  char rounded[40];
  snprintf(rounded, sizeof rounded, "%.*e", digits - 1, value);
  double kept = strtod(rounded, NULL);
  int exponent = (int)floor(log10(fabs(kept)) + 1e-12);
  if (exponent < -4 || exponent > 6)
    snprintf(text, size, "%s", rounded);
  else
    snprintf(text, size, "%.*f", digits - 1 - exponent > 0 ? digits - 1 - exponent : 0, kept);
}

void tt_fit_format_value(char *text, size_t size, double value, double uncertainty) {
  if (isnan(value)) {
    snprintf(text, size, "-");
    return;
  }
  int digits = 5;
  if (uncertainty > 0 && isfinite(uncertainty) && value != 0) {
    digits = (int)floor(log10(fabs(value))) - (int)floor(log10(uncertainty)) + 2;
    digits = digits < 3 ? 3 : digits > 7 ? 7 : digits;
  }
  significant(text, size, value, digits);
}

void tt_fit_format_range(char *text, size_t size, double low, double high, double uncertainty) {
  char a[40], b[40];
  if (isnan(low) || isnan(high)) {
    snprintf(text, size, "-");
    return;
  }
  tt_fit_format_value(a, sizeof a, low, uncertainty);
  tt_fit_format_value(b, sizeof b, high, uncertainty);
  snprintf(text, size, "%s to %s", a, b);
}

void tt_fit_format_error(char *text, size_t size, double error) {
  if (isnan(error))
    snprintf(text, size, "-");
  else
    significant(text, size, error, 2);
}

void tt_fit_format_r_squared(char *text, size_t size, double value) {
  if (isfinite(value))
    snprintf(text, size, "%.4f", value);
  else
    snprintf(text, size, "-");
}

void tt_fit_format_percent(char *text, size_t size, double fraction) {
  if (isnan(fraction))
    snprintf(text, size, "-");
  else
    snprintf(text, size, "%+.2f %%", 100 * fraction);
}
