// twotrack sweep: many runs from one file: sizes x steps x learning rates x seeds.
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/sweep_print.h"
#include "core/exit_codes.h"
#include "core/file.h"
#include "core/memory.h"
#include "store/store.h"
#include "sweep/estimate.h"
#include "sweep/numbers.h"
#include "sweep/runner.h"
#include "sweep/script.h"

static const char help[] =
    "usage: twotrack sweep SWEEP.cfg [--run] [OPTIONS]\n"
    "\n"
    "Makes the runs that SWEEP.cfg describes, sizes x steps x learning rates x seeds, and says of each\n"
    "whether it is done, and of all what is left (docs/sweep.md). Every configuration is checked before\n"
    "anything is written. OUT gets configs/RUN.cfg, runs.tsv, and sweep.sbatch, a Slurm job array of the\n"
    "runs that are left, in which your own edits stay. Each run has the folder\n"
    "OUT/SIZE-STEPSsteps-lrRATE-seedSEED, without what SWEEP.cfg does not list.\n"
    "\n"
    "  --run             trains what is left here, the longest runs first, each from its newest checkpoint;\n"
    "                    stopped by Ctrl-C, the same command goes on\n"
    "  --jobs J          that many runs at once (1)\n"
    "  --launch WORDS    what starts a run's ranks, \"mpirun -n 2\" (default: nothing, one rank a run); "
    "with\n"
    "                    several jobs at once add --bind-to none, or all use the same cores\n"
    "  --out DIR         folder of the sweep (overrides out)\n"
    "  --store DIR       the molecules (overrides store)\n"
    "  --at-once N       Slurm runs that many tasks at once (default: as sweep.sbatch says, else all)\n"
    "  --dry-run         writes nothing\n"
    "  --json            prints JSON\n"
    "  --help            this text\n"
    "\n"
    "With --run it ends with 0 when all runs are done and none failed on the way, with 75 when it was\n"
    "stopped (the runs have saved, the same command goes on), else with 1.\n";

typedef struct {
  const char *path, *out, *store, *launch;
  int jobs, at_once;
  bool run, dry_run, json, help;
} arguments;

enum { OUT = 256, STORE, LAUNCH, JOBS, AT_ONCE, RUN, DRY, JSON };

static const struct option options[] = {
    {"out", required_argument, NULL, OUT},   {"store", required_argument, NULL, STORE},
    {"jobs", required_argument, NULL, JOBS}, {"launch", required_argument, NULL, LAUNCH},
    {"run", no_argument, NULL, RUN},         {"at-once", required_argument, NULL, AT_ONCE},
    {"dry-run", no_argument, NULL, DRY},     {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, 'h'},        {0}};

static tt_status read_count(const char *name, const char *text, int *count) {
  char *end;
  long value = strtol(text, &end, 10);
  if (end == text || *end || value < 1 || value > 1024)
    return tt_fail(TT_ERR_ARGUMENT, "%s must be an integer from 1 to 1024, not '%.40s'", name, text);
  *count = (int)value;
  return TT_OK;
}

static tt_status read_arguments(int argc, char **argv, arguments *a) {
  *a = (arguments){.jobs = 1};
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    if (c == 'h')
      return a->help = true, TT_OK;
    else if (c == OUT)
      a->out = optarg;
    else if (c == STORE)
      a->store = optarg;
    else if (c == LAUNCH)
      a->launch = optarg;
    else if (c == JOBS)
      TT_TRY(read_count("--jobs", optarg, &a->jobs));
    else if (c == AT_ONCE)
      TT_TRY(read_count("--at-once", optarg, &a->at_once));
    else if (c == RUN)
      a->run = true;
    else if (c == DRY)
      a->dry_run = true;
    else if (c == JSON)
      a->json = true;
    else
      return tt_fail(TT_ERR_ARGUMENT, "%s '%s'", c == ':' ? "a value is missing after" : "no option",
                     argv[optind - 1]);
  }
  if (optind + 1 != argc) return tt_fail(TT_ERR_ARGUMENT, "name one file that describes a sweep");
  a->path = argv[optind];
  if (a->run && a->dry_run) return tt_fail(TT_ERR_ARGUMENT, "--run and --dry-run exclude each other");
  return TT_OK;
}

// Its runs are started by `twotrack sweep` itself, which is one process.
static tt_status check_alone(void) {
  if (!getenv("OMPI_COMM_WORLD_RANK") && !getenv("PMIX_RANK")) return TT_OK;
  return tt_fail(
      TT_ERR_ARGUMENT,
      "this was started by mpirun or srun; call 'twotrack sweep --run' without, and say with --launch "
      "what is to start the ranks of each run");
}

static tt_status find_program(char program[PATH_MAX]) {
  ssize_t n = readlink("/proc/self/exe", program, PATH_MAX - 1);
  if (n <= 0) return tt_fail(TT_ERR_IO, "cannot find out by /proc/self/exe where this program is");
  program[n] = 0;
  return TT_OK;
}

// The store of a sweep is the same for all its runs. Not there yet, or elsewhere: nothing is compared.
static tt_status find_digest(const tt_sweep_runs *runs, bool needed, char digest[80]) {
  tt_store *store;
  digest[0] = 0;
  tt_status status = tt_store_open(&store, runs->list[0].config.data.store);
  if (status != TT_OK && needed) return status;
  if (status != TT_OK) {
    fprintf(stderr,
            "twotrack sweep: warning: %s; whose molecules the runs were trained on was not looked at\n",
            tt_error_message());
    return TT_OK;
  }
  snprintf(digest, 80, "%s", tt_store_digest(store));
  tt_store_close(store);
  return TT_OK;
}

typedef struct {
  const arguments *arguments;
  tt_sweep sweep;
  tt_sweep_runs runs;
  tt_sweep_status *statuses;
  double *seconds;
  char *array;
  char digest[80], program[PATH_MAX];
  tt_sweep_outcome outcome;
} state;

static tt_status look(state *s) {
  const arguments *a = s->arguments;
  TT_TRY(tt_sweep_read(&s->sweep, a->path));
  TT_TRY(tt_sweep_expand(&s->runs, &s->sweep, a->out, a->store));
  TT_TRY(tt_sweep_number(&s->runs));
  TT_TRY(find_digest(&s->runs, a->run, s->digest));
  size_t n = (size_t)s->runs.count;
  TT_TRY(tt_alloc(&s->statuses, n, sizeof *s->statuses, "states of runs"));
  TT_TRY(tt_alloc(&s->seconds, n, sizeof *s->seconds, "times of runs"));
  for (size_t i = 0; i < n; i++)
    TT_TRY(tt_sweep_status_read(&s->statuses[i], &s->runs, &s->runs.list[i], *s->digest ? s->digest : NULL));
  return TT_OK;
}

static tt_status write_all(state *s) {
  TT_TRY(tt_sweep_write_configs(&s->runs));
  TT_TRY(tt_sweep_write_numbers(&s->runs));
  return tt_sweep_write_script(&s->sweep, &s->runs, s->statuses, s->program, s->arguments->at_once,
                               &s->array);
}

static tt_status work(state *s, int *code) {
  const arguments *a = s->arguments;
  if (a->run) TT_TRY(check_alone());
  TT_TRY(find_program(s->program));
  TT_TRY(look(s));
  if (!a->dry_run) TT_TRY(write_all(s));
  if (a->run) {
    tt_sweep_runner how = {s->program, a->launch, *s->digest ? s->digest : NULL, a->jobs};
    TT_TRY(tt_sweep_run_here(&s->runs, s->statuses, &how, &s->outcome));
    free(s->array), s->array = NULL; // of what was left before
    TT_TRY(write_all(s));
  }
  tt_sweep_estimate(&s->runs, s->statuses, s->seconds);
  tt_cli_sweep_view said = {.sweep = &s->sweep,
                            .runs = &s->runs,
                            .statuses = s->statuses,
                            .seconds = s->seconds,
                            .jobs = a->jobs,
                            .array = s->array,
                            .outcome = a->run ? &s->outcome : NULL};
  if (a->json)
    TT_TRY(tt_cli_sweep_json(&said));
  else
    tt_cli_sweep_print(&said);
  *code = s->outcome.failed > 0;
  for (int i = 0; a->run && i < s->runs.count; i++)
    if (s->statuses[i].state != TT_SWEEP_DONE) *code = s->outcome.stopped ? TT_EXIT_STOPPED : 1;
  return TT_OK;
}

int tt_cli_sweep(int argc, char **argv) {
  arguments a;
  int code = 0;
  if (read_arguments(argc, argv, &a) != TT_OK) {
    fprintf(stderr, "twotrack sweep: %s; see 'twotrack sweep --help'\n", tt_error_message());
    return 2;
  }
  if (a.help) return printf("%s", help) < 0;
  state s = {.arguments = &a};
  tt_status status = work(&s, &code);
  tt_sweep_outcome_free(&s.outcome);
  tt_sweep_runs_free(&s.runs);
  tt_sweep_free(&s.sweep);
  free(s.statuses), free(s.seconds), free(s.array);
  if (status == TT_OK) return code;
  fprintf(stderr, "twotrack sweep: %s\n", tt_error_message());
  return status == TT_ERR_ARGUMENT ? 2 : 1;
}
