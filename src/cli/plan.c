// twotrack plan: what a configuration takes on so many GPUs, and how to lay it out on them.
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/configuration.h"
#include "cli/plan_print.h"

enum { MOST_RANKS = 16384 };

static const char help[] =
    "usage: twotrack plan CONFIG --gpus N --gpu NAME [OPTIONS]\n"
    "\n"
    "Computes what training CONFIG on N GPUs takes: memory of a rank, operations, bytes on every link, time "
    "of "
    "a step and of a\n"
    "checkpoint, and which layouts (data x tensor ranks) fit, the best one first. Nothing is run, and no MPI "
    "is "
    "started.\n"
    "docs/scaling-out.md says how to read it and what it takes for granted.\n"
    "\n"
    "  --gpus N               ranks, one a GPU: a power of two\n"
    "  --gpu NAME             h100-80, h200-141, a100-80, a100-40 (a CUDA backend as it is planned), or cpu "
    "(this\n"
    "                         program as it is, one core a rank, all on this machine)\n"
    "  --store DIR            takes the lengths of molecules from this store (overrides data.store; without "
    "a "
    "store, lengths of\n"
    "                         drug-like molecules are assumed)\n"
    "  --updates FROM:COUNT   not batches drawn from the lengths, but those of updates FROM+1 ... FROM+COUNT "
    "of "
    "the run; reads\n"
    "                         the store's molecules. Bytes are then what 'bench step --warmup FROM --steps "
    "COUNT' "
    "counts\n"
    "  --fraction F           of the machine's peak that products reach, instead of what is assumed\n"
    "  --set group.key=value  overrides one key of CONFIG; may be given again\n"
    "  --json                 one JSON object instead of tables\n"
    "  --help                 this text\n";

typedef struct {
  tt_cli_configuration config;
  const char *gpu;
  int ranks;
  tt_machine machine;
  double fraction;
  int64_t first_update, updates; // updates 0: drawn
  bool json, help;
} arguments;

static tt_status read_ranks(const char *text, arguments *a) {
  char *end;
  long n = strtol(text, &end, 10);
  if (end == text || *end || n < 1 || n > MOST_RANKS || n & (n - 1))
    return tt_fail(TT_ERR_ARGUMENT, "plan: --gpus takes a power of two up to %d, not '%s'", MOST_RANKS, text);
  a->ranks = (int)n;
  return TT_OK;
}

static tt_status read_updates(const char *text, arguments *a) {
  char *middle, *end = NULL;
  long long first = strtoll(text, &middle, 10), count = 0;
  if (middle != text && *middle == ':') count = strtoll(middle + 1, &end, 10);
  if (!end || *end || first < 0 || first > 1000000000 || count < 1 || count > 1000)
    return tt_fail(TT_ERR_ARGUMENT, "plan: --updates takes FROM:COUNT with a COUNT from 1 to 1000, not '%s'",
                   text);
  a->first_update = first, a->updates = count;
  return TT_OK;
}

static tt_status read_fraction(const char *text, arguments *a) {
  char *end;
  a->fraction = strtod(text, &end);
  if (end == text || *end || !(a->fraction > 0 && a->fraction <= 1))
    return tt_fail(TT_ERR_ARGUMENT, "plan: --fraction takes a number above 0, at most 1, not '%s'", text);
  return TT_OK;
}

enum { GPUS = 256, GPU, STORE, UPDATES, FRACTION, SET, JSON };

static tt_status read_option(int option, arguments *a) {
  switch (option) {
  case GPUS:
    return read_ranks(optarg, a);
  case GPU:
    a->gpu = optarg;
    return TT_OK;
  case STORE:
    a->config.store = optarg;
    return TT_OK;
  case UPDATES:
    return read_updates(optarg, a);
  case FRACTION:
    return read_fraction(optarg, a);
  case SET:
    return tt_cli_add_set(&a->config, optarg);
  case JSON:
    a->json = true;
    return TT_OK;
  case 'h':
    a->help = true;
    return TT_OK;
  default:
    return tt_fail(TT_ERR_ARGUMENT,
                   "plan: '%s' is no option, or its value is missing; see 'twotrack plan --help'", optarg);
  }
}

static tt_status read_arguments(int argc, char **argv, arguments *a) {
  static const struct option options[] = {{"gpus", required_argument, NULL, GPUS},
                                          {"gpu", required_argument, NULL, GPU},
                                          {"store", required_argument, NULL, STORE},
                                          {"updates", required_argument, NULL, UPDATES},
                                          {"fraction", required_argument, NULL, FRACTION},
                                          {"set", required_argument, NULL, SET},
                                          {"json", no_argument, NULL, JSON},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  *a = (arguments){.config = {.without_store = true}};
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
    if (c == '?') optarg = argv[optind - 1];
    TT_TRY(read_option(c, a));
    if (a->help) return TT_OK;
  }
  if (optind + 1 != argc)
    return tt_fail(TT_ERR_ARGUMENT, "plan: name one configuration file; see 'twotrack plan --help'");
  if (!a->ranks) return tt_fail(TT_ERR_ARGUMENT, "plan: say how many, --gpus N; see 'twotrack plan --help'");
  if (!a->gpu) return tt_fail(TT_ERR_ARGUMENT, "plan: say what kind, --gpu NAME; see 'twotrack plan --help'");
  a->config.path = argv[optind];
  TT_TRY(tt_machine_find(a->gpu, a->ranks, &a->machine));
  if (a->fraction > 0) a->machine.fraction = a->fraction;
  return TT_OK;
}

// Enough for means of a batch's dealing, not more than is dealt in a second or two.
static int batches_of(const tt_config *config) {
  enum { MOST = 32, LEAST = 2, TOGETHER = 1 << 16 };
  int batches = TOGETHER / config->train.batch_size;
  return batches > MOST ? MOST : batches < LEAST ? LEAST : batches;
}

static tt_status take_molecules(const arguments *a, const tt_config *config, tt_molecules *molecules) {
  tt_store *store = NULL;
  bool named = config->data.store && *config->data.store;
  if (a->updates && !named)
    return tt_fail(TT_ERR_CONFIG, "--updates reads molecules: set data.store or give --store DIR");
  if (named) TT_TRY(tt_store_open(&store, config->data.store));
  tt_status status = a->updates
                         ? tt_molecules_read(molecules, config, store, a->first_update, (int)a->updates)
                         : tt_molecules_draw(molecules, config, store, batches_of(config));
  tt_store_close(store);
  return status;
}

static tt_status run(const arguments *a, const tt_config *config) {
  tt_molecules molecules = {0};
  tt_plan *plan = malloc(sizeof *plan);
  tt_status status = plan ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory");
  if (status == TT_OK) status = take_molecules(a, config, &molecules);
  if (status == TT_OK) status = tt_plan_make(plan, config, &a->machine, a->ranks, &molecules);
  if (status == TT_OK && a->json) status = tt_cli_plan_json(plan);
  if (status == TT_OK && !a->json) tt_cli_plan_print(plan);
  tt_molecules_free(&molecules);
  free(plan);
  return status;
}

int tt_cli_plan(int argc, char **argv) {
  arguments a;
  tt_config config = {0};
  tt_status status = read_arguments(argc, argv, &a);
  int code = status == TT_OK ? 0 : 2;
  if (status == TT_OK && a.help) return fputs(help, stdout), 0;
  if (status == TT_OK) {
    status = tt_cli_load(&a.config, &config);
    if (status == TT_OK) status = run(&a, &config);
    code = status == TT_OK ? 0 : 1;
  }
  if (status != TT_OK) fprintf(stderr, "twotrack: error: %s\n", tt_error_message());
  tt_config_free(&config);
  return code;
}
