#include "scaling/quantile.h"

#include <math.h>
#include <stdlib.h>

double tt_normal_cdf(double z) {
  return 0.5 * erfc(-z * M_SQRT1_2);
}

// The x where an increasing function reaches p, between two that enclose it.
static double where(double (*function)(double x, int freedom), int freedom, double p, double low,
                    double high) {
  for (int i = 0; i < 200 && low < high; i++) {
    double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) break;
    if (function(middle, freedom) < p)
      low = middle;
    else
      high = middle;
  }
  return 0.5 * (low + high);
}

static double normal(double z, int unused) {
  (void)unused;
  return tt_normal_cdf(z);
}

double tt_normal_quantile(double p) {
  // the upper tail by symmetry: near 1 the distribution function has no digits left
  return p > 0.5 ? -where(normal, 0, 1 - p, -40, 0) : where(normal, 0, p, -40, 0);
}

// P(T <= t): finite sums for whole degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4).
static double student(double t, int freedom) {
  double theta = atan(t / sqrt(freedom)), s = sin(theta), c2 = cos(theta) * cos(theta), sum = 0;
  if (freedom % 2) {
    double term = cos(theta);
    for (int k = 3; k <= freedom; k += 2) sum += term, term *= c2 * (k - 1) / k;
    return 0.5 + (theta + s * sum) / M_PI;
  }
  double term = 1;
  for (int k = 2; k <= freedom; k += 2) sum += term, term *= c2 * (k - 1) / k;
  return 0.5 + 0.5 * s * sum;
}

double tt_student_quantile(double p, int freedom) {
  if (freedom > 1000) return tt_normal_quantile(p); // the same to 0.3 %
  return p < 0.5 ? -where(student, freedom, 1 - p, 0, 1e9) : where(student, freedom, p, 0, 1e9);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void tt_sort(double *values, size_t count) {
  qsort(values, count, sizeof *values, ascending);
}

double tt_sorted_quantile(const double *sorted, size_t count, double p) {
  double rank = fmin(fmax(p, 0), 1) * (count - 1);
  size_t below = (size_t)rank;
  if (below + 1 >= count) return sorted[count - 1];
  double part = rank - below;
  // an infinite neighbour counts only where the rank is beyond the finite one
  return part > 0 ? sorted[below] + part * (sorted[below + 1] - sorted[below]) : sorted[below];
}

size_t tt_sorted_below(const double *sorted, size_t count, double x) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (sorted[middle] < x)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

size_t tt_sorted_up_to(const double *sorted, size_t count, double x) {
  return tt_sorted_below(sorted, count, nextafter(x, INFINITY));
}
