// twotrack bench scaling: what more ranks bring.
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench_options.h"
#include "cli/bench_scaling_print.h"
#include "cli/cli.h"
#include "train/identity.h"

static const char help[] =
    "usage: mpirun -n N twotrack bench scaling CONFIG --store DIR [OPTIONS]\n"
    "\n"
    "Times whole training updates on 1, 2, 4 ... N of the ranks that mpirun starts, while the others sleep, "
    "round after round, and\n"
    "prints for each number: conformations a second, a rank's share, its efficiency against the smallest "
    "number, and the time of\n"
    "an update as computation, imbalance, communication and waiting for data. CONFIG is that of all N ranks. "
    "With parallel.tensor\n"
    "the numbers are of tensor groups. It writes no files. docs/benchmarks.md defines every figure.\n"
    "\n"
    "  --store DIR            the molecules (overrides data.store)\n"
    "  --mode MODE            weak: train.batch_size / N molecules an update for each rank; strong: "
    "train.batch_size for all\n"
    "                         together; both (default)\n"
    "  --rounds N             measurements of each number of ranks, in turn (default 5)\n"
    "  --steps N              updates that are timed in each (default 10); in weak scaling as many more as "
    "they are smaller,\n"
    "                         so that all are of the same molecules\n"
    "  --warmup N             updates before them (default 2), likewise\n"
    "  --set group.key=value  overrides one key of CONFIG; may be given again\n"
    "  --json                 one JSON object instead of tables, with all rounds\n";

typedef struct {
  tt_cli_configuration config;
  tt_scaling_request request;
  bool json, help;
} arguments;

static const char name[] = "bench scaling";

static tt_status take_mode(const char *text, void *into) {
  tt_scaling_request *r = &((arguments *)into)->request;
  bool both = strcmp(text, "both") == 0;
  r->weak = both || strcmp(text, "weak") == 0, r->strong = both || strcmp(text, "strong") == 0;
  return r->weak || r->strong
             ? TT_OK
             : tt_fail(TT_ERR_ARGUMENT, "%s: --mode takes weak, strong or both, not '%s'", name, text);
}

static tt_status take_rounds(const char *text, void *into) {
  int64_t *rounds = &((arguments *)into)->request.rounds;
  TT_TRY(tt_bench_read_count(name, text, "--rounds", 1, rounds));
  return *rounds <= TT_SCALING_ROUNDS ? TT_OK
                                      : tt_fail(TT_ERR_ARGUMENT, "%s: --rounds takes at most %d, not '%s'",
                                                name, TT_SCALING_ROUNDS, text);
}

static tt_status take_steps(const char *text, void *into) {
  return tt_bench_read_count(name, text, "--steps", 1, &((arguments *)into)->request.steps);
}

static tt_status take_warmup(const char *text, void *into) {
  return tt_bench_read_count(name, text, "--warmup", 0, &((arguments *)into)->request.warmup);
}

static tt_status read_arguments(int argc, char **argv, arguments *a) {
  static const tt_bench_option own[] = {
      {"mode", take_mode}, {"rounds", take_rounds}, {"steps", take_steps}, {"warmup", take_warmup}, {0}};
  *a = (arguments){.request = {.weak = true, .strong = true, .rounds = 5, .warmup = 2, .steps = 10}};
  tt_bench_options o = {.command = name, .options = own, .config = &a->config};
  TT_TRY(tt_bench_read_options(&o, argc, argv, a));
  a->json = o.json, a->help = o.help;
  if (a->help) return TT_OK;
  if (optind + 1 != argc)
    return tt_fail(TT_ERR_ARGUMENT, "%s: name one configuration file; see 'twotrack %s --help'", name, name);
  a->config.path = argv[optind];
  return TT_OK;
}

int tt_cli_bench_scaling(int argc, char **argv) {
  tt_comm comm;
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "twotrack: error: %s\n", tt_error_message()), 1;
  arguments a;
  tt_config config = {0};
  tt_bench_scaling result = {0};
  tt_status status = read_arguments(argc, argv, &a);
  if (status == TT_OK && !a.help) status = tt_cli_load(&a.config, &config);
  const tt_scaling_request *r = &a.request;
  char request[200]; // what all ranks must have been asked for
  snprintf(request, sizeof request,
           "command = %s%s\n--mode = %s\n--rounds = %lld\n--steps = %lld\n--warmup = %lld\n", name,
           a.help ? " --help" : "",
           !r->strong ? "weak"
           : !r->weak ? "strong"
                      : "both",
           (long long)r->rounds, (long long)r->steps, (long long)r->warmup);
  status = tt_identity_check(&comm, status, request, a.help ? NULL : &config);
  int code = status == TT_OK ? 0 : status == TT_ERR_ARGUMENT ? 2 : 1;
  if (status == TT_OK && a.help && comm.rank == 0) fputs(help, stdout);
  if (status == TT_OK && !a.help) {
    status = tt_bench_scaling_run(&comm, &config, r, &result);
    tt_scaling_report report = {&result, r, &config, comm.size};
    if (status == TT_OK && comm.rank == 0) {
      if (a.json)
        status = tt_scaling_print_json(&report);
      else
        tt_scaling_print_table(&report);
    }
    code = status == TT_OK ? 0 : 1;
  }
  tt_bench_scaling_free(&result);
  tt_config_free(&config);
  tt_comm_finish(&comm);
  return code;
}
