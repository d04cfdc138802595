// twotrack train: trains a model from a configuration and a store.
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/configuration.h"
#include "core/exit_codes.h"
#include "core/interrupt.h"
#include "train/identity.h"
#include "train/run.h"
#include "watch/watch.h"

static const char help[] =
    "usage: twotrack train CONFIG --out RUN [OPTIONS]\n"
    "\n"
    "Trains the model of CONFIG and writes RUN/run.jsonl, RUN/config.cfg and RUN/checkpoints/. Run it under "
    "mpirun or srun with\n"
    "parallel.tensor (default 1) times a power of two of ranks that divides train.micro_batches; the curve "
    "is "
    "bitwise the same\n"
    "for any number of ranks with the same parallel.tensor.\n"
    "\n"
    "  --out RUN              the run's folder; must be new or empty without --resume\n"
    "  --store DIR            the molecules (overrides data.store)\n"
    "  --set group.key=value  overrides one key of CONFIG; may be given again\n"
    "  --resume               goes on from RUN's newest checkpoint if there is one, else starts\n"
    "  --init-from FILE       starts from the weights of a checkpoint (moments and counters start anew)\n"
    "  --end-time SECONDS     when the job will be ended, in Unix seconds: stops in time to save (default:\n"
    "                         TWOTRACK_END_TIME, else SLURM_JOB_END_TIME in the environment)\n"
    "  --dry-run              checks everything, prints what would run, writes nothing\n"
    "\n"
    "SIGTERM, SIGINT, SIGUSR1, SIGUSR2 and SIGHUP, at any rank, end it after the update in hand with a "
    "checkpoint and exit code 75\n"
    "(docs/failures.md); a second one more than two seconds later ends it at once.\n"
    "\n"
    "exit code: 0 done; 1 an error that is to be mended first; 2 wrong usage; 71 the machine failed, 75 "
    "asked to "
    "stop and saved:\n"
    "start it again with --resume\n";

enum {
  OPTION_OUT = 256,
  OPTION_STORE,
  OPTION_SET,
  OPTION_RESUME,
  OPTION_INIT,
  OPTION_DRY,
  OPTION_END,
  OPTION_HELP
};

static const struct option options[] = {
    {"out", required_argument, NULL, OPTION_OUT},
    {"store", required_argument, NULL, OPTION_STORE},
    {"set", required_argument, NULL, OPTION_SET},
    {"resume", no_argument, NULL, OPTION_RESUME},
    {"init-from", required_argument, NULL, OPTION_INIT},
    {"dry-run", no_argument, NULL, OPTION_DRY},
    {"end-time", required_argument, NULL, OPTION_END},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

typedef struct {
  tt_cli_configuration config;
  bool help;
  tt_run_request run;
} arguments;

static tt_status read_end_time(const char *name, const char *text, double *end_time) {
  char *end;
  double seconds = strtod(text, &end);
  if (end == text || *end || !isfinite(seconds) || seconds <= 0)
    return tt_fail(TT_ERR_ARGUMENT, "train: %s must be Unix seconds, as 'date +%%s' prints them, not '%.40s'",
                   name, text);
  *end_time = seconds;
  return TT_OK;
}

// The job's end, where the environment knows it: told by whoever started us, else by Slurm.
static tt_status find_end_time(double *end_time) {
  static const char *const names[] = {"TWOTRACK_END_TIME", "SLURM_JOB_END_TIME"};
  for (int k = 0; k < 2; k++) {
    const char *text = getenv(names[k]);
    if (text && *text) return read_end_time(names[k], text, end_time);
  }
  return TT_OK;
}

static tt_status read_arguments(int argc, char **argv, arguments *a) {
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
    switch (c) {
    case OPTION_OUT:
      a->run.folder = optarg;
      break;
    case OPTION_STORE:
      a->config.store = optarg;
      break;
    case OPTION_SET:
      TT_TRY(tt_cli_add_set(&a->config, optarg));
      break;
    case OPTION_RESUME:
      a->run.resume = true;
      break;
    case OPTION_INIT:
      a->run.init_from = optarg;
      break;
    case OPTION_DRY:
      a->run.dry_run = true;
      break;
    case OPTION_END:
      TT_TRY(read_end_time("--end-time", optarg, &a->run.end_time));
      break;
    case 'h':
    case OPTION_HELP:
      a->help = true;
      return TT_OK;
    default:
      return tt_fail(TT_ERR_ARGUMENT,
                     "train: '%s' is no option, or its value is missing; see 'twotrack train --help'",
                     argv[optind - 1]);
    }
  }
  if (optind + 1 != argc)
    return tt_fail(TT_ERR_ARGUMENT, "train: give one configuration file; see 'twotrack train --help'");
  a->config.path = argv[optind];
  if (!a->run.folder && !a->run.dry_run)
    return tt_fail(TT_ERR_ARGUMENT, "train: --out RUN is missing; see 'twotrack train --help'");
  if (!a->run.folder) a->run.folder = "";
  return a->run.end_time > 0 ? TT_OK : find_end_time(&a->run.end_time);
}

// What all ranks must have been asked for.
static void describe(const arguments *a, char *text, size_t size) {
  const tt_run_request *r = &a->run;
  snprintf(text, size, "command = train%s\n--out = %s\n--resume = %s\n--init-from = %s\n--dry-run = %s\n",
           a->help ? " --help" : "", r->folder ? r->folder : "", r->resume ? "yes" : "no",
           r->init_from ? r->init_from : "", r->dry_run ? "yes" : "no");
}

// Of a run that has begun.
static int exit_code(tt_status status) {
  if (status == TT_ERR_MACHINE || status == TT_ERR_MPI) return TT_EXIT_MACHINE;
  return status == TT_OK ? 0 : TT_EXIT_ERROR;
}

int tt_cli_train(int argc, char **argv) {
  tt_interrupt_install();
  tt_comm comm;
  tt_watch_begin();
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "twotrack: error: %s\n", tt_error_message()), 1;
  arguments a = {0};
  tt_config config = {0};
  tt_status status = read_arguments(argc, argv, &a);
  if (status == TT_OK && !a.help) status = tt_cli_load(&a.config, &config);
  char request[2 * PATH_MAX + 200];
  describe(&a, request, sizeof request);
  status = tt_identity_check(&comm, status, request, a.help ? NULL : &config);
  if (status == TT_OK && !a.help)
    status = tt_watch_ranks(&comm, config.train.hang_limit, config.train.hang_limit_start);
  int code = status == TT_OK ? 0 : status == TT_ERR_ARGUMENT ? TT_EXIT_USAGE : TT_EXIT_ERROR;
  if (status == TT_OK && a.help && comm.rank == 0) fputs(help, stdout);
  if (status == TT_OK && !a.help) status = tt_run(&comm, &config, &a.run), code = exit_code(status);
  if (status == TT_STOPPED) tt_interrupt_settle(code = TT_EXIT_STOPPED);
  tt_config_free(&config);
  tt_comm_finish(&comm);
  tt_watch_end();
  return code;
}
