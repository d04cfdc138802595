// What the command line of `twotrack fit` asks for.
#ifndef TT_CLI_FIT_ARGUMENTS_H
#define TT_CLI_FIT_ARGUMENTS_H

#include <stdbool.h>

#include "core/status.h"
#include "scaling/choose.h"
#include "scaling/fit.h"
#include "scaling/interval.h"
#include "scaling/law.h"

enum { TT_FIT_PREDICTIONS = 64 };

typedef struct {
  char **runs; // [run_count]; none when there is a table, or no data
  int run_count;
  const char *table;
  const tt_law *law;
  bool variable_given; // --variable: else the law power takes samples, or size where there is one number of
                       // samples
  tt_choice choice;
  int hold_out; // sizes
  bool at_given;
  char at_name[64]; // "paper" or "--at"
  double at[TT_LAW_PARAMETERS];
  tt_observation predict[TT_FIT_PREDICTIONS]; // [predict_count]; NaN: not given
  int predict_count;
  tt_fit_options fit;
  tt_interval_options interval;
  const char *out, *title; // NULL: none given
  bool json, help;
} tt_fit_arguments;

// Reads the command line; argv[0] is "fit". TT_ERR_ARGUMENT: the message says what is wrong with which
// option. What a law needs of --predict is checked too, but for the law power without --variable, which
// depends on the data.
tt_status tt_fit_arguments_read(int argc, char **argv, tt_fit_arguments *arguments);

// Whose constants `at` holds: who published them, or "the constants of --at".
const char *tt_fit_arguments_at_source(const tt_fit_arguments *arguments);

// TT_ERR_ARGUMENT when a --predict lacks a variable of the law.
tt_status tt_fit_arguments_check_predictions(const tt_fit_arguments *arguments, const tt_law *law);

#endif
