// How far a fitted law can be trusted: intervals of its parameters from refits to resampled data.
#ifndef TT_SCALING_INTERVAL_H
#define TT_SCALING_INTERVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "scaling/fit.h"
#include "scaling/law.h"
#include "scaling/observations.h"

// TT_INTERVAL_DEFAULT is what measured coverage chose (docs/scaling-laws.md); TT_INTERVAL_PERCENTILE are the
// quantiles of refits to groups drawn with replacement, as published for the Chinchilla table.
typedef enum { TT_INTERVAL_DEFAULT, TT_INTERVAL_PERCENTILE } tt_interval_method;

typedef struct {
  int resamples; // refits, e.g. 1000
  uint64_t seed;
  double confidence; // e.g. 0.95
  tt_interval_method method;
} tt_interval_options;

typedef struct {
  double low, high; // NaN: none
} tt_range;

// The refits, and what they say. Predictions (predict.h) are made from the same refits.
typedef struct {
  tt_law law;
  tt_interval_options options;
  double theta[TT_LAW_PARAMETERS];         // the estimate
  double (*replicates)[TT_LAW_PARAMETERS]; // [count] one refit each
  int count;                               // = options.resamples
  int unconverged;                         // of them; they stay, with the best point the solver saw
  int groups;                              // what was drawn with replacement: runs, or independent points
  bool clustered;                          // some group has several rows
  bool plain;                              // plain percentiles: asked for, or because refits run to a bound
  double z;                                // how many standard errors the ends would lie out
  tt_range parameter[TT_LAW_PARAMETERS];   // the intervals
  bool identified[TT_LAW_PARAMETERS];      // what the refits say; see tt_intervals_identify
  char reason[TT_LAW_PARAMETERS][160];     // why not, a sentence
  char method[200];  // "percentiles of 4000 refits to 240 points drawn with replacement, seed 1"
  char caution[320]; // "" or why the intervals may not hold what they promise, joined by "; "
  double *scatter;   // [scatter_count] ascending: the log loss of a row less that of the law fitted without
                     // the row's group, so how the loss of a new run lies around the law
  size_t scatter_count;
} tt_intervals;

// Refits the law to resampled data and makes the intervals. `fit` is tt_fit_solve's result on the same rows
// with the same options. The same seed gives the same result to the last bit. TT_ERR_ARGUMENT (options),
// TT_ERR_DATA (fewer than two groups), TT_ERR_MEMORY. Release with tt_intervals_free.
tt_status tt_intervals_make(const tt_law *law, const tt_observation *rows, size_t count,
                            const tt_fit_options *fit_options, const tt_fit *fit,
                            const tt_interval_options *options, tt_intervals *intervals);

// The interval of any number that the law gives (for instance beta / (alpha + beta)): `estimate` at the
// estimate, values[intervals->count] at the refits; these are sorted in place. No NaN among them.
tt_range tt_intervals_of(const tt_intervals *intervals, double estimate, double *values);

// The same at one end: where the number lies at z standard errors, of refits sorted already.
double tt_intervals_at(const tt_intervals *intervals, double estimate, const double *sorted, double z);

// Also of a struct that is all zero.
void tt_intervals_free(tt_intervals *intervals);

// Takes what the refits found into the fit: a parameter whose interval spans more than a decade (an exponent:
// includes 0), or whose refits run to a bound, is not identified. A reason that the fit has already is kept.
void tt_intervals_identify(const tt_intervals *intervals, tt_fit *fit);

#endif
