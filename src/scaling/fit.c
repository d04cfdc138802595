// The fit from many starts.
#include "scaling/fit.h"

#include <math.h>
#include <stdlib.h>

#include "scaling/identify.h"
#include "scaling/starts.h"

static void goodness(const tt_law *law, const tt_observation *rows, size_t count, tt_fit *fit) {
  double mean = 0, total = 0, rest = 0, squares = 0, relative = 0;
  for (size_t i = 0; i < count; i++) mean += rows[i].loss / count;
  for (size_t i = 0; i < count; i++) {
    double loss = rows[i].loss, law_loss = tt_law_predict(law, fit->theta, &rows[i]),
           r = log(loss) - log(law_loss);
    total += (loss - mean) * (loss - mean), rest += (loss - law_loss) * (loss - law_loss);
    squares += r * r, relative += fabs(law_loss - loss) / loss;
  }
  bool vary = total > 1e-24 * count * mean * mean; // more than their mean is rounded
  fit->r_squared = vary ? 1 - rest / total : NAN;
  fit->rmse_log = sqrt(squares / count), fit->mean_relative_error = relative / count;
}

static int by_objective(const void *a, const void *b) {
  double x = ((const tt_solution *)a)->objective, y = ((const tt_solution *)b)->objective;
  return (x > y) - (x < y);
}

tt_status tt_fit_solve(const tt_law *law, const tt_observation *rows, size_t count,
                       const tt_fit_options *options, tt_fit *fit) {
  tt_fitter *fitter;
  *fit = (tt_fit){.rows = count};
  TT_TRY(tt_fitter_create(&fitter, law, rows, count, options->huber_delta));
  int random = options->starts > 0 ? options->starts : 0, most = TT_GRID_STARTS + random;
  tt_solution *ends = malloc(most * sizeof *ends);
  if (!ends) {
    tt_fitter_free(fitter);
    return tt_fail(TT_ERR_MEMORY, "no memory for %d starts", most);
  }
  int starts = tt_starts(fitter, random, options->seed, ends, most), converged = 0;
  tt_solution stuck = {.objective = INFINITY}; // the lowest of those that did not converge
  for (int i = 0; i < starts; i++) {
    tt_solution s = ends[i];
    if (tt_solve_from(fitter, &s, true))
      ends[converged++] = s;
    else if (s.objective < stuck.objective)
      stuck = s;
  }
  qsort(ends, converged, sizeof *ends, by_objective);
  fit->converged = converged > 0;
  if (!converged) ends[0] = stuck;
  tt_status status = TT_OK;
  if (isfinite(ends[0].objective)) {
    double best = ends[0].objective, same = best + 1e-9 * best + 1e-20 * count;
    fit->starts = starts, fit->objective = best;
    while (fit->starts_at_optimum < converged && ends[fit->starts_at_optimum].objective <= same)
      fit->starts_at_optimum++;
    tt_solution_theta(fitter, &ends[0], fit->theta);
    goodness(law, rows, count, fit);
    status = tt_identify(fitter, rows, ends, converged, fit);
  } else
    status = tt_fail(TT_ERR_NUMERIC, "none of %d starts of the fit of %s converged", starts, law->name);
  free(ends);
  tt_fitter_free(fitter);
  return status;
}
