// Hold-out: the law is fitted without the largest sizes and then asked for them.
#ifndef TT_SCALING_HOLDOUT_H
#define TT_SCALING_HOLDOUT_H

#include "scaling/predict.h"

typedef struct {
  tt_observation at; // with the measured loss
  tt_prediction predicted;
  double relative_error; // predicted / measured - 1
  bool inside;           // whether the measured loss lies in predicted.measured
} tt_holdout_point;

typedef struct {
  int sizes;                // left out
  double from_size;         // the smallest size left out
  double fitted_size;       // the largest size that was fitted
  size_t fitted;            // rows that were fitted
  tt_fit fit;               // without them
  tt_intervals intervals;   // of that fit
  tt_holdout_point *points; // [count] every row left out, in the order of the rows
  size_t count;
  tt_holdout_point *last; // [last_count] the last point of each group left out
  size_t last_count;
  double mean_relative_error; // mean of |relative_error| over all points left out
  double last_relative_error; // the same over the last points
  size_t inside;              // of the points, how many lie inside
} tt_holdout;

// Leaves out the rows of the `sizes` largest distinct sizes (tt_same_size), fits the others and predicts
// those left out. TT_ERR_ARGUMENT when nothing would be left to fit or to predict, and what solving and
// resampling return. Release with tt_holdout_free.
tt_status tt_holdout_make(const tt_law *law, const tt_observation *rows, size_t count, int sizes,
                          const tt_fit_options *fit_options, const tt_interval_options *options,
                          tt_holdout *holdout);

void tt_holdout_free(tt_holdout *holdout);

#endif
