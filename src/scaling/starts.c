#include "scaling/starts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/philox.h"

enum { GRID = 9, COLUMNS = 1 + TT_LAW_TERMS };

// |exponent of x|, from a term that is nearly constant to one that is gone within a decade.
static const double grid[GRID] = {0.03, 0.08, 0.15, 0.25, 0.4, 0.6, 0.9, 1.4, 2.2};

// The best E and c_k for given exponents of x, t[terms]: writes the solution and returns its squared relative
// error. Each subset of the columns is tried, so that what would be negative is 0; there are at most 16.
static double project(const tt_fitter *f, const double *t, tt_solution *s) {
  int terms = f->law.terms, offset = f->law.offset, columns = offset + terms;
  double gram[TT_N][TT_N] = {{0}}, right[TT_N] = {0}, best[TT_N] = {0}, least = INFINITY;
  const double zero[TT_N] = {0};
  for (size_t i = 0; i < f->count; i++) {
    double column[COLUMNS], one = exp(f->mean - f->log_loss[i]); // losses around 1: relative residuals
    if (offset) column[0] = one;
    for (int k = 0; k < terms; k++) column[offset + k] = one * exp(t[k] * f->z[i * terms + k]);
    for (int a = 0; a < columns; a++) {
      right[a] += column[a];
      for (int b = 0; b <= a; b++) gram[a][b] += column[a] * column[b];
    }
  }
  for (int set = 1; set < 1 << columns; set++) {
    bool active[TT_N] = {false}, negative = false;
    double l[TT_N][TT_N], x[TT_N];
    for (int a = 0; a < columns; a++) active[a] = set >> a & 1;
    if (!tt_cholesky(gram, zero, active, columns, l)) continue;
    tt_cholesky_solve(l, active, columns, right, x);
    double error = (double)f->count;
    for (int a = 0; a < columns; a++) error -= x[a] * right[a], negative |= x[a] < 0;
    if (!negative && error < least) least = error, memcpy(best, x, sizeof best);
  }
  // What is 0 starts small, so that it may come back.
  if (offset) s->active[0] = true, s->u[0] = f->mean + log(fmax(best[0], 1e-2));
  for (int k = 0; k < terms; k++) {
    int c = offset + 2 * k;
    s->active[c] = s->active[c + 1] = true;
    s->u[c] = f->mean + log(fmax(best[offset + k], 1e-2));
    s->u[c + 1] = t[k];
  }
  return least;
}

typedef struct {
  tt_solution solution;
  double error;
} candidate;

static int by_error(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  return (x->error > y->error) - (x->error < y->error);
}

static int grid_starts(const tt_fitter *f, tt_solution *starts, int most) {
  candidate all[GRID * GRID * GRID];
  int terms = f->law.terms, total = 1;
  for (int k = 0; k < terms; k++) total *= GRID;
  for (int i = 0; i < total; i++) {
    double t[TT_LAW_TERMS];
    for (int k = 0, rest = i; k < terms; k++, rest /= GRID) t[k] = -fmin(grid[rest % GRID], f->steepest[k]);
    all[i].error = project(f, t, &all[i].solution);
  }
  qsort(all, total, sizeof *all, by_error);
  int count = total < most ? total : most;
  for (int i = 0; i < count; i++) starts[i] = all[i].solution;
  return count;
}

int tt_starts(const tt_fitter *f, int random, uint64_t seed, tt_solution *starts, int most) {
  int count = grid_starts(f, starts, most < TT_GRID_STARTS ? most : TT_GRID_STARTS);
  for (int i = 0; i < random && count < most; i++, count++) {
    double t[TT_LAW_TERMS];
    uint64_t key = tt_stream(seed, 0x6c6177, i); // "law": the bootstrap of the same seed draws other numbers
    for (int k = 0; k < f->law.terms; k++) {
      double u = tt_uniform(tt_philox(key, 0, k, 0, 0).v[0]); // from 0.02 to 3, evenly in the logarithm
      t[k] = -fmin(0.02 * pow(150, u), f->steepest[k]);
    }
    project(f, t, &starts[count]);
    for (int p = 0; p < f->law.parameters; p++) {
      bool exponent = p >= f->law.offset && (p - f->law.offset) % 2 == 1;
      double x, y;
      tt_philox4 r = tt_philox(key, 1, p, 0, 0);
      tt_normal2(r.v[0], r.v[1], &x, &y);
      if (!exponent) starts[count].u[p] += 0.5 * x;
    }
  }
  return count;
}
