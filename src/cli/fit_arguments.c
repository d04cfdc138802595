#include "cli/fit_arguments.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A number that ends the text. The locale is C's: the program never sets another.
static tt_status read_number(const char *option, const char *text, double low, double high, double *value) {
  char *end;
  *value = strtod(text, &end);
  if (end == text || *end || !(*value >= low && *value <= high))
    return tt_fail(TT_ERR_ARGUMENT, "%s takes a number from %g to %g, not '%s'", option, low, high, text);
  return TT_OK;
}

static tt_status read_count(const char *option, const char *text, int low, int high, int *value) {
  char *end;
  long number = strtol(text, &end, 10);
  if (end == text || *end || number < low || number > high)
    return tt_fail(TT_ERR_ARGUMENT, "%s takes a whole number from %d to %d, not '%s'", option, low, high,
                   text);
  *value = (int)number;
  return TT_OK;
}

static tt_status read_seed(const char *text, uint64_t *value) {
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10); // what the JSON can hold
  if (number < 0 || errno || end == text || *end)
    return tt_fail(TT_ERR_ARGUMENT, "--seed takes a whole number from 0 to %lld, not '%s'", LLONG_MAX, text);
  *value = (uint64_t)number;
  return TT_OK;
}

// The place of `text` among `names` (NULL-ended), as an enumeration's value.
static tt_status read_word(const char *option, const char *text, const char *const *names, const char *all,
                           int *value) {
  for (*value = 0; names[*value]; ++*value)
    if (strcmp(names[*value], text) == 0) return TT_OK;
  return tt_fail(TT_ERR_ARGUMENT, "%s takes %s, not '%s'", option, all, text);
}

// Calls `take` for each NAME=VALUE of a list parted by commas.
static tt_status read_list(const char *option, const char *text,
                           tt_status (*take)(void *into, const char *name, double value), void *into) {
  char copy[1024], *rest = copy;
  if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
    return tt_fail(TT_ERR_ARGUMENT, "%s: the list is too long", option);
  for (char *item; (item = strsep(&rest, ",")) != NULL;) {
    char *equals = strchr(item, '='), *end = NULL;
    double value = equals ? strtod(equals + 1, &end) : NAN;
    if (!equals || end == equals + 1 || *end || !isfinite(value))
      return tt_fail(TT_ERR_ARGUMENT, "%s takes NAME=VALUE,NAME=VALUE,..., not '%s'", option, item);
    *equals = 0;
    TT_TRY(take(into, item, value));
  }
  return TT_OK;
}

static tt_status take_parameter(void *into, const char *name, double value) {
  tt_fit_arguments *a = into;
  char names[200] = "";
  for (int p = 0; p < a->law->parameters; p++) {
    if (strcmp(name, a->law->parameter[p]) == 0) {
      if (!isnan(a->at[p])) return tt_fail(TT_ERR_ARGUMENT, "--at: %s is there twice", name);
      return a->at[p] = value, TT_OK;
    }
    snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", p ? ", " : "",
             a->law->parameter[p]);
  }
  return tt_fail(TT_ERR_ARGUMENT, "--at: the law %s has no constant '%s'; it has %s", a->law->name, name,
                 names);
}

static tt_status read_at(tt_fit_arguments *a, const char *text) {
  a->at_given = true;
  if (strcmp(text, "paper") == 0) {
    if (!a->law->published)
      return tt_fail(TT_ERR_ARGUMENT, "--at paper: no constants of the law %s were published", a->law->name);
    memcpy(a->at, a->law->published, (size_t)a->law->parameters * sizeof *a->at);
    snprintf(a->at_name, sizeof a->at_name, "paper");
    return TT_OK;
  }
  snprintf(a->at_name, sizeof a->at_name, "--at");
  for (int p = 0; p < a->law->parameters; p++) a->at[p] = NAN;
  TT_TRY(read_list("--at", text, take_parameter, a));
  for (int p = 0; p < a->law->parameters; p++)
    if (isnan(a->at[p])) return tt_fail(TT_ERR_ARGUMENT, "--at: %s is missing", a->law->parameter[p]);
  return TT_OK;
}

const char *tt_fit_arguments_at_source(const tt_fit_arguments *a) {
  return strcmp(a->at_name, "paper") == 0 ? a->law->published_by : "the constants of --at";
}

static tt_status take_variable(void *into, const char *name, double value) {
  tt_observation *at = into;
  tt_variable variable;
  if (!tt_variable_parse(name, &variable))
    return tt_fail(TT_ERR_ARGUMENT, "--predict takes size, samples, steps and flops, not '%s'", name);
  if (!(value > 0)) return tt_fail(TT_ERR_ARGUMENT, "--predict: %s must be positive", name);
  double *field = variable == TT_VARIABLE_SIZE      ? &at->size
                  : variable == TT_VARIABLE_SAMPLES ? &at->samples
                  : variable == TT_VARIABLE_STEPS   ? &at->steps
                                                    : &at->flops;
  if (!isnan(*field)) return tt_fail(TT_ERR_ARGUMENT, "--predict: %s is there twice", name);
  *field = value;
  return TT_OK;
}

static tt_status read_predict(tt_fit_arguments *a, const char *text) {
  if (a->predict_count == TT_FIT_PREDICTIONS)
    return tt_fail(TT_ERR_ARGUMENT, "--predict may be given %d times", TT_FIT_PREDICTIONS);
  tt_observation *at = &a->predict[a->predict_count++];
  *at = (tt_observation){NAN, NAN, NAN, NAN, NAN, NAN, 0};
  return read_list("--predict", text, take_variable, at);
}

tt_status tt_fit_arguments_check_predictions(const tt_fit_arguments *a, const tt_law *law) {
  for (int i = 0; i < a->predict_count; i++)
    for (int k = 0; k < law->terms; k++)
      if (isnan(tt_variable_value(law->variable[k], &a->predict[i]))) {
        bool size = isnan(a->predict[i].size) && law->variable[k] == TT_VARIABLE_SIZE_STEPS;
        return tt_fail(TT_ERR_ARGUMENT, "--predict: the law %s needs %s", law->name,
                       size                                         ? "size"
                       : law->variable[k] == TT_VARIABLE_SIZE_STEPS ? "steps"
                                                                    : tt_variable_name(law->variable[k]));
      }
  return TT_OK;
}

static tt_status find_law(tt_fit_arguments *a, const char *name, const char *variable) {
  tt_variable v;
  if (!name) return tt_fail(TT_ERR_ARGUMENT, "--law is missing; it takes %s", tt_law_names());
  a->law = tt_law_find(name);
  if (!a->law) return tt_fail(TT_ERR_ARGUMENT, "--law takes %s, not '%s'", tt_law_names(), name);
  if (!variable) return TT_OK;
  if (strcmp(name, "power") != 0)
    return tt_fail(TT_ERR_ARGUMENT, "--variable is for the law power; %s has its own", name);
  if (!tt_variable_parse(variable, &v))
    return tt_fail(TT_ERR_ARGUMENT, "--variable takes size, samples, steps or flops, not '%s'", variable);
  a->law = tt_law_power(v);
  a->variable_given = true;
  return TT_OK;
}

static tt_status check(const tt_fit_arguments *a) {
  bool data = a->run_count > 0 || a->table;
  if (a->run_count && a->table)
    return tt_fail(TT_ERR_ARGUMENT, "runs or --table, not both (a first argument is '%s')", a->runs[0]);
  if (!data && !(a->at_given && a->predict_count))
    return tt_fail(TT_ERR_ARGUMENT,
                   "name at least one run, or --table FILE (without data: --at and --predict)");
  if (!data && a->out)
    return tt_fail(TT_ERR_ARGUMENT, "--out needs data to draw: name runs, or --table FILE");
  if (!data && a->hold_out)
    return tt_fail(TT_ERR_ARGUMENT, "--hold-out needs data: name runs, or --table FILE");
  if (!a->table && a->choice.columns) return tt_fail(TT_ERR_ARGUMENT, "--columns is for --table");
  if (!isnan(a->choice.from_step) && !isnan(a->choice.skip_fraction))
    return tt_fail(TT_ERR_ARGUMENT, "--from-step or --skip-fraction, not both");
  if (strcmp(a->law->name, "power") != 0 || a->variable_given || !data)
    return tt_fit_arguments_check_predictions(a, a->law);
  return TT_OK;
}

tt_status tt_fit_arguments_read(int argc, char **argv, tt_fit_arguments *a) {
  enum { // options without a letter
    LAW = 256,
    TABLE,
    TERM,
    SIZE,
    FROM_STEP,
    SKIP,
    POINTS,
    BEST_RATE,
    COLUMNS,
    HIGHEST,
    HOLD_OUT,
    VARIABLE,
    AT,
    PREDICT,
    HUBER,
    STARTS,
    SEED,
    RESAMPLES,
    CONFIDENCE,
    INTERVAL,
    JSON,
    OUT,
    TITLE,
    MIXED
  };
  static const struct option options[] = {{"law", required_argument, NULL, LAW},
                                          {"table", required_argument, NULL, TABLE},
                                          {"term", required_argument, NULL, TERM},
                                          {"size", required_argument, NULL, SIZE},
                                          {"from-step", required_argument, NULL, FROM_STEP},
                                          {"skip-fraction", required_argument, NULL, SKIP},
                                          {"points", required_argument, NULL, POINTS},
                                          {"best-rate", no_argument, NULL, BEST_RATE},
                                          {"columns", required_argument, NULL, COLUMNS},
                                          {"leave-out-highest", required_argument, NULL, HIGHEST},
                                          {"hold-out", required_argument, NULL, HOLD_OUT},
                                          {"variable", required_argument, NULL, VARIABLE},
                                          {"at", required_argument, NULL, AT},
                                          {"predict", required_argument, NULL, PREDICT},
                                          {"huber", required_argument, NULL, HUBER},
                                          {"starts", required_argument, NULL, STARTS},
                                          {"seed", required_argument, NULL, SEED},
                                          {"resamples", required_argument, NULL, RESAMPLES},
                                          {"confidence", required_argument, NULL, CONFIDENCE},
                                          {"interval", required_argument, NULL, INTERVAL},
                                          {"json", no_argument, NULL, JSON},
                                          {"out", required_argument, NULL, OUT},
                                          {"title", required_argument, NULL, TITLE},
                                          {"mixed", no_argument, NULL, MIXED},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
  static const char *const terms[] = {"total", "token", "position", "distance", NULL},
                           *const sizes[] = {"total", "without-embeddings", "flops", NULL},
                           *const points[] = {"auto", "all", "last", NULL},
                           *const intervals[] = {"default", "percentile", NULL};
  *a = (tt_fit_arguments){.choice = tt_choice_default(),
                          .fit = TT_FIT_OPTIONS,
                          .interval = {.resamples = 1000, .seed = 1, .confidence = 0.95}};
  const char *law = NULL, *variable = NULL, *at = NULL;
  int word;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) switch (c) {
    case LAW:
      law = optarg;
      break;
    case TABLE:
      a->table = optarg;
      break;
    case TERM:
      TT_TRY(read_word("--term", optarg, terms, "total, token, position or distance", &word));
      a->choice.term = (tt_term)word;
      break;
    case SIZE:
      TT_TRY(read_word("--size", optarg, sizes, "total, without-embeddings or flops", &word));
      a->choice.size = (tt_size_count)word;
      break;
    case FROM_STEP:
      TT_TRY(read_number("--from-step", optarg, 0, 1e15, &a->choice.from_step));
      break;
    case SKIP:
      TT_TRY(read_number("--skip-fraction", optarg, 0, 0.999, &a->choice.skip_fraction));
      break;
    case POINTS:
      TT_TRY(read_word("--points", optarg, points, "auto, all or last", &word));
      a->choice.points = (tt_points)word;
      break;
    case BEST_RATE:
      a->choice.best_rate = true;
      break;
    case COLUMNS:
      a->choice.columns = optarg;
      break;
    case HIGHEST:
      TT_TRY(read_count("--leave-out-highest", optarg, 0, INT_MAX, &a->choice.leave_out_highest));
      break;
    case HOLD_OUT:
      TT_TRY(read_count("--hold-out", optarg, 0, INT_MAX, &a->hold_out));
      break;
    case VARIABLE:
      variable = optarg;
      break;
    case AT:
      at = optarg;
      break;
    case PREDICT:
      TT_TRY(read_predict(a, optarg));
      break;
    case HUBER:
      TT_TRY(read_number("--huber", optarg, 1e-12, 1e6, &a->fit.huber_delta));
      break;
    case STARTS:
      TT_TRY(read_count("--starts", optarg, 0, 1000000, &a->fit.starts));
      break;
    case SEED:
      TT_TRY(read_seed(optarg, &a->fit.seed));
      break;
    case RESAMPLES:
      TT_TRY(read_count("--resamples", optarg, 40, 1000000, &a->interval.resamples));
      break;
    case CONFIDENCE:
      TT_TRY(read_number("--confidence", optarg, 0.5, 0.999, &a->interval.confidence));
      break;
    case INTERVAL:
      TT_TRY(read_word("--interval", optarg, intervals, "default or percentile", &word));
      a->interval.method = (tt_interval_method)word;
      break;
    case JSON:
      a->json = true;
      break;
    case OUT:
      a->out = optarg;
      break;
    case TITLE:
      a->title = optarg;
      break;
    case MIXED:
      a->choice.mixed = true;
      break;
    case 'h':
      a->help = true;
      return TT_OK;
    default:
      return tt_fail(TT_ERR_ARGUMENT, "%s '%s'", c == ':' ? "a value is missing after" : "no option",
                     argv[optind - 1]);
    }
  a->runs = argv + optind, a->run_count = argc - optind;
  a->interval.seed = a->fit.seed;
  TT_TRY(find_law(a, law, variable));
  for (int k = 0; k < a->law->terms; k++) a->choice.law_in_steps |= a->law->variable[k] == TT_VARIABLE_STEPS;
  if (at) TT_TRY(read_at(a, at));
  return check(a);
}
