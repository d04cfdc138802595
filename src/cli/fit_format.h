// Numbers of a fit in text: as many digits as their uncertainty leaves.
#ifndef TT_CLI_FIT_FORMAT_H
#define TT_CLI_FIT_FORMAT_H

#include <stddef.h>

// A value whose standard error is `uncertainty`: down to the second digit of that, at least three digits and
// at most seven. NaN or 0 (not known): five digits. "-" for NaN.
void tt_fit_format_value(char *text, size_t size, double value, double uncertainty);

// "1.769 to 1.871", each end as tt_fit_format_value does; "-" where there is none.
void tt_fit_format_range(char *text, size_t size, double low, double high, double uncertainty);

// The standard error itself, two digits.
void tt_fit_format_error(char *text, size_t size, double error);

// R squared with four decimals; "-" where all losses are equal.
void tt_fit_format_r_squared(char *text, size_t size, double value);

// "+1.23 %", "-0.40 %".
void tt_fit_format_percent(char *text, size_t size, double fraction);

#endif
