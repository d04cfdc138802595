#include "scaling/residuals.h"

#include <math.h>

#include "scaling/quantile.h"

enum { RANGES = 8 };

static void add(tt_residual_row *row, double size, double residual, size_t number) {
  row->smallest = row->count ? fmin(row->smallest, size) : size;
  row->largest = row->count ? fmax(row->largest, size) : size;
  row->mean += residual; // sums, until finish()
  row->rms += residual * residual;
  if (!row->count || fabs(residual) > fabs(row->worst)) row->worst = residual, row->worst_row = number;
  row->count++;
}

static int finish(tt_residual_row *table, int count) {
  int kept = 0;
  for (int i = 0; i < count; i++) {
    if (!table[i].count) continue;
    tt_residual_row row = table[i];
    row.mean /= (double)row.count;
    row.rms = sqrt(row.rms / (double)row.count);
    table[kept++] = row;
  }
  return kept;
}

// The distinct sizes; TT_RESIDUAL_ROWS + 1 when there are more than can be written.
static int distinct(const tt_observation *rows, size_t count, double *sizes) {
  int found = 0;
  for (size_t i = 0; i < count; i++) {
    int k = 0;
    while (k < found && !tt_same_size(sizes[k], rows[i].size)) k++;
    if (k < found || !(rows[i].size > 0)) continue;
    if (found == TT_RESIDUAL_ROWS) return found + 1;
    sizes[found++] = rows[i].size;
  }
  tt_sort(sizes, (size_t)found);
  return found;
}

int tt_residuals_by_size(const tt_law *law, const double *theta, const tt_observation *rows, size_t count,
                         tt_residual_row *table) {
  double sizes[TT_RESIDUAL_ROWS], low = INFINITY, high = 0;
  int found = distinct(rows, count, sizes), used = found <= TT_RESIDUAL_ROWS ? found : RANGES;
  for (size_t i = 0; i < count; i++)
    if (rows[i].size > 0) low = fmin(low, rows[i].size), high = fmax(high, rows[i].size);
  for (int k = 0; k < used; k++) table[k] = (tt_residual_row){0};
  for (size_t i = 0; i < count; i++) {
    double size = rows[i].size, residual = log(rows[i].loss / tt_law_predict(law, theta, &rows[i]));
    int k = 0;
    if (!(size > 0)) continue;
    if (found <= TT_RESIDUAL_ROWS)
      while (!tt_same_size(sizes[k], size)) k++;
    else
      k = (int)fmin(RANGES - 1, floor(RANGES * log(size / low) / log(high / low)));
    add(&table[k], size, residual, i);
  }
  return finish(table, used);
}
