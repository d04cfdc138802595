// Linear algebra of a few parameters, some of which may be out of play.
#include "scaling/dense.h"

#include <math.h>

bool tt_cholesky(double a[TT_N][TT_N], const double *add, const bool *active, int n, double l[TT_N][TT_N]) {
  for (int i = 0; i < n; i++) {
    for (int j = 0; active[i] && j <= i; j++) {
      if (!active[j]) continue;
      double sum = a[i][j] + (i == j ? add[i] : 0);
      for (int k = 0; k < j; k++)
        if (active[k]) sum -= l[i][k] * l[j][k];
      if (i != j) {
        l[i][j] = sum / l[j][j];
        continue;
      }
      // a pivot that is rounding of what it came from is as good as none
      if (!(sum > 1e-14 * fabs(a[i][i] + add[i]))) return false;
      l[i][i] = sqrt(sum);
    }
  }
  return true;
}

void tt_cholesky_solve(double l[TT_N][TT_N], const bool *active, int n, const double *b, double *x) {
  for (int i = 0; i < n; i++) {
    x[i] = 0;
    if (!active[i]) continue;
    double sum = b[i];
    for (int k = 0; k < i; k++)
      if (active[k]) sum -= l[i][k] * x[k];
    x[i] = sum / l[i][i];
  }
  for (int i = n; i-- > 0;) {
    if (!active[i]) continue;
    double sum = x[i];
    for (int k = i + 1; k < n; k++)
      if (active[k]) sum -= l[k][i] * x[k];
    x[i] = sum / l[i][i];
  }
}

// Jacobi's rotations: for so few rows as short as anything, and accurate.
void tt_eigen(double a[TT_N][TT_N], int n, double *value, double vector[TT_N][TT_N]) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) vector[i][j] = i == j;
  for (int sweep = 0; sweep < 50; sweep++) {
    double off = 0;
    for (int p = 0; p < n; p++)
      for (int q = p + 1; q < n; q++) off += fabs(a[p][q]);
    if (!(off > 1e-300)) break;
    for (int p = 0; p < n; p++)
      for (int q = p + 1; q < n; q++) {
        if (a[p][q] == 0) continue;
        double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        double t = copysign(1, theta) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1),
               s = t * c;
        for (int k = 0; k < n; k++) {
          double x = a[k][p], y = a[k][q];
          a[k][p] = c * x - s * y, a[k][q] = s * x + c * y;
        }
        for (int k = 0; k < n; k++) {
          double x = a[p][k], y = a[q][k];
          a[p][k] = c * x - s * y, a[q][k] = s * x + c * y;
          x = vector[k][p], y = vector[k][q];
          vector[k][p] = c * x - s * y, vector[k][q] = s * x + c * y;
        }
      }
  }
  for (int i = 0; i < n; i++) value[i] = a[i][i];
}
