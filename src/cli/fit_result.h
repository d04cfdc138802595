// All that `twotrack fit` finds, for its report, its JSON and its figure.
#ifndef TT_CLI_FIT_RESULT_H
#define TT_CLI_FIT_RESULT_H

#include "cli/fit_arguments.h"
#include "scaling/holdout.h"
#include "scaling/residuals.h"

typedef struct {
  tt_observation at;
  bool predicted;          // `ours` and `extrapolation` are there
  tt_prediction ours;      // from the fit
  char extrapolation[200]; // "" or "size is 93 times the largest fitted, steps is ..."
  double other;            // at the constants of --at; NaN
} tt_fit_prediction;

typedef struct {
  const tt_fit_arguments *arguments;
  const tt_law *law;
  bool has_data;                // without: only predictions at the constants of --at
  tt_observations observations; // all that was chosen; cautions of the fit are added to its own
  tt_observation *rows;         // [count] what was fitted: without the sizes that were held out
  size_t count;
  int sizes;                     // distinct ones of `rows`
  const tt_fit *fit;             // of `rows`
  const tt_intervals *intervals; // NULL: none could be made, which a caution tells
  const tt_holdout *held_out;    // NULL: nothing was
  tt_residual_row residuals[TT_RESIDUAL_ROWS];
  int residual_count;
  double optimal; // of the law chinchilla: the size that is best for C = 6 N D grows as C^optimal; NaN
  tt_range optimal_range; // its interval
  double at_objective;    // of --at, on `rows`; NaN
  tt_fit_prediction predictions[TT_FIT_PREDICTIONS];
  int prediction_count;
  // what the pointers above point to
  tt_fit whole_fit;
  tt_intervals whole_intervals;
  tt_holdout holdout;
} tt_fit_result;

// Reads the data, fits, resamples and predicts. TT_ERR_ARGUMENT: --predict lacks what the law needs; else the
// errors of reading, fitting and holding out. Release with tt_fit_result_free in any case.
tt_status tt_fit_result_make(tt_fit_result *result, const tt_fit_arguments *arguments);
void tt_fit_result_free(tt_fit_result *result);

// How many of the points are independent of each other: runs, or rows of a table.
int tt_fit_result_groups(const tt_fit_result *result);

// Constants that are not identified for the same reason are told together: writes "B, beta" for those from
// `first` on and returns the number of them.
int tt_fit_result_unknown(const tt_fit_result *result, int first, char *names, size_t size);

// "total validation loss", "token validation loss", ...
const char *tt_fit_result_loss(const tt_fit_result *result);

#endif
