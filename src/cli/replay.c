// twotrack replay: runs an update of a run again and shows what each layer makes of it.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/replay_print.h"
#include "core/exit_codes.h"
#include "train/identity.h"

static const char help[] =
    "usage: twotrack replay RUN --step N [OPTIONS]\n"
    "\n"
    "Runs the updates of RUN after its newest checkpoint before update N again, up to and including N, and "
    "shows of N: the\n"
    "losses beside those of the log, which must be the same bits; of each layer how large the activations of "
    "both tracks are,\n"
    "the norms of weights and gradient, and the size of the update; and the molecules that give most of the "
    "loss. N may be the\n"
    "update that failed. Nothing is written into RUN. Run it under mpirun like training, on any number of "
    "ranks.\n"
    "\n"
    "  --step N      the update, counted from 1, as in the log\n"
    "  --batch B     with batch B, which the update was tried with before the run left it out (default: the "
    "one "
    "that it used)\n"
    "  --store DIR   the molecules (default: where the run found them)\n"
    "  --tensor T    ranks that share a leaf (default: the run's own parallel.tensor; another T rounds "
    "differently)\n"
    "  --from-start  from the initial weights where no checkpoint before N is kept (not for a run that was "
    "begun "
    "with\n"
    "                --init-from)\n"
    "  --json        one JSON object, with all steps of the forward and all tensors, instead of tables\n"
    "  --help        this text\n"
    "\n"
    "exit code: 0 done, whether or not the bits are the same; 1 it could not be run again; 2 wrong usage\n";

enum { OPTION_STEP = 256, OPTION_BATCH, OPTION_STORE, OPTION_TENSOR, OPTION_START, OPTION_JSON, OPTION_HELP };

static const struct option options[] = {
    {"batch", required_argument, NULL, OPTION_BATCH}, {"step", required_argument, NULL, OPTION_STEP},
    {"store", required_argument, NULL, OPTION_STORE}, {"tensor", required_argument, NULL, OPTION_TENSOR},
    {"from-start", no_argument, NULL, OPTION_START},  {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},         {NULL, 0, NULL, 0},
};

typedef struct {
  tt_replay_request request;
  int64_t batch;
  bool json, help;
} arguments;

static tt_status read_number(const char *text, const char *option, int64_t least, int64_t most,
                             int64_t *value) {
  char *end;
  long long n = strtoll(text, &end, 10);
  if (end == text || *end || n < least || n > most)
    return tt_fail(TT_ERR_ARGUMENT, "replay: %s takes a whole number from %d, not '%s'", option, (int)least,
                   text);
  *value = n;
  return TT_OK;
}

static tt_status read_arguments(int argc, char **argv, arguments *a) {
  tt_replay_request *q = &a->request;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
    int64_t tensor = 0;
    switch (c) {
    case OPTION_STEP:
      TT_TRY(read_number(optarg, "--step", 1, INT64_C(1000000000000), &q->step));
      break;
    case OPTION_BATCH:
      TT_TRY(read_number(optarg, "--batch", 0, INT64_C(1000000000000), &a->batch));
      q->batch = &a->batch;
      break;
    case OPTION_STORE:
      q->store = optarg;
      break;
    case OPTION_TENSOR:
      TT_TRY(read_number(optarg, "--tensor", 1, 1024, &tensor));
      q->tensor = (int)tensor;
      break;
    case OPTION_START:
      q->from_start = true;
      break;
    case OPTION_JSON:
      a->json = true;
      break;
    case 'h':
    case OPTION_HELP:
      a->help = true;
      return TT_OK;
    default:
      return tt_fail(TT_ERR_ARGUMENT,
                     "replay: '%s' is no option, or its value is missing; see 'twotrack replay --help'",
                     argv[optind - 1]);
    }
  }
  if (optind + 1 != argc)
    return tt_fail(TT_ERR_ARGUMENT, "replay: give one run folder; see 'twotrack replay --help'");
  q->run = argv[optind];
  if (q->step == 0)
    return tt_fail(TT_ERR_ARGUMENT, "replay: --step N is missing; see 'twotrack replay --help'");
  return TT_OK;
}

static tt_status print(const arguments *a, const tt_replay *r) {
  tt_replay_row *rows = tt_replay_rows(r);
  json_t *object = rows && a->json ? tt_replay_json(r, &a->request, rows) : NULL;
  bool done = rows && (!a->json ||
                       (object && json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) == 0));
  if (a->json) puts("");
  if (done && !a->json) tt_replay_print(r, &a->request, rows);
  json_decref(object);
  free(rows);
  return done ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory for what is to be printed");
}

static tt_status run(const tt_comm *comm, const arguments *a) {
  tt_replay replay;
  tt_status status = tt_replay_run(comm, &a->request, &replay);
  if (status == TT_OK) status = tt_comm_agree(comm, comm->rank == 0 ? print(a, &replay) : TT_OK);
  tt_replay_free(&replay);
  return status;
}

int tt_cli_replay(int argc, char **argv) {
  tt_comm comm;
  if (tt_comm_start(&comm) != TT_OK) return fprintf(stderr, "twotrack: error: %s\n", tt_error_message()), 1;
  arguments a = {0};
  tt_status same = tt_identity_check_arguments(&comm, argc, argv);
  tt_status status = same == TT_OK ? tt_comm_agree(&comm, read_arguments(argc, argv, &a)) : same;
  int code = status == TT_OK ? 0 : status == TT_ERR_ARGUMENT ? TT_EXIT_USAGE : TT_EXIT_ERROR;
  if (status == TT_OK && a.help && comm.rank == 0) fputs(help, stdout);
  if (status == TT_OK && !a.help) code = run(&comm, &a) == TT_OK ? 0 : TT_EXIT_ERROR;
  tt_comm_finish(&comm);
  return code;
}
