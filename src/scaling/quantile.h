// Quantiles: of Student's t and of the normal distribution, and of numbers at hand.
#ifndef TT_SCALING_QUANTILE_H
#define TT_SCALING_QUANTILE_H

#include <stddef.h>

// P(Z <= z) of a standard normal number, and the other way (0 < p < 1).
double tt_normal_cdf(double z);
double tt_normal_quantile(double p);

// The quantile of Student's t with `freedom` >= 1 degrees of freedom, 0 < p < 1.
double tt_student_quantile(double p, int freedom);

// Ascending, in place; no NaN among them.
void tt_sort(double *values, size_t count);

// The quantile of ascending numbers, between neighbours by straight lines: rank p (count - 1). count >= 1.
double tt_sorted_quantile(const double *sorted, size_t count, double p);

// How many of ascending numbers are < x, and how many are <= x.
size_t tt_sorted_below(const double *sorted, size_t count, double x);
size_t tt_sorted_up_to(const double *sorted, size_t count, double x);

#endif
