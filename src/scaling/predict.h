// What a fitted law says about a point that it has not seen, with intervals.
#ifndef TT_SCALING_PREDICT_H
#define TT_SCALING_PREDICT_H

#include "scaling/interval.h"

typedef struct {
  double loss;       // of the law at the estimate
  tt_range law;      // where the law's own value lies: the parameters' uncertainty only
  tt_range measured; // where the loss of a new run is measured to lie: the scatter of runs and points too
} tt_prediction;

// `at` needs the variables that the law uses; its loss is not read. TT_ERR_DATA when one is missing (NaN) or
// the prediction is not finite.
tt_status tt_predict(const tt_intervals *intervals, const tt_observation *at, tt_prediction *prediction);

#endif
