// twotrack preflight: whether the nodes of a job can train, and which one cannot.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/preflight_print.h"
#include "core/exit_codes.h"
#include "preflight/preflight.h"

static const char help[] = "usage: twotrack preflight --store DIR --out RUN [OPTIONS]\n"
                           "\n"
                           "Checks within seconds whether the nodes of a job can train, and names those that "
                           "cannot: run it under mpirun or "
                           "srun as\n"
                           "the training will be. Each rank reads from the store and writes into the run's "
                           "folder (which is made), looks at "
                           "its CPUs\n"
                           "and GPUs; together they compare what they see, add up known values, send "
                           "messages from node to node and compare "
                           "clocks.\n"
                           "A rank that does not come, hangs or was stopped is named, too. Exit code 0: all "
                           "is well; 1: something is not.\n"
                           "\n"
                           "  --store DIR    the molecules\n"
                           "  --out RUN      the run's folder\n"
                           "  --gpus N       every node must have so many GPUs\n"
                           "  --timeout S    seconds that one thing may take, waiting for other ranks "
                           "included (default: 30, and one more for\n"
                           "                 every 32 ranks)\n"
                           "  --json         the result as one JSON object\n"
                           "  --help         this text\n";

typedef struct {
  tt_preflight_options preflight;
  bool json, help;
} arguments;

static bool read_number(const char *text, double least, double most, double *value) {
  char *end;
  *value = strtod(text, &end);
  return end != text && *end == 0 && *value >= least && *value <= most;
}

static tt_status read_arguments(int argc, char **argv, arguments *a) {
  static const struct option known[] = {{"store", required_argument, NULL, 's'},
                                        {"out", required_argument, NULL, 'o'},
                                        {"gpus", required_argument, NULL, 'g'},
                                        {"timeout", required_argument, NULL, 't'},
                                        {"json", no_argument, NULL, 'j'},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};
  opterr = 0;
  double number;
  for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
    if (c == 's')
      a->preflight.store = optarg;
    else if (c == 'o')
      a->preflight.run = optarg;
    else if (c == 'j')
      a->json = true;
    else if (c == 'h')
      return a->help = true, TT_OK;
    else if (c == 'g') {
      if (!read_number(optarg, 0, 1024, &number) || number != (int)number)
        return tt_fail(TT_ERR_ARGUMENT, "preflight: --gpus %s: a number of GPUs a node", optarg);
      a->preflight.gpus = (int)number;
    } else if (c == 't') {
      if (!read_number(optarg, 1, 86400, &a->preflight.timeout))
        return tt_fail(TT_ERR_ARGUMENT, "preflight: --timeout %s: seconds, 1 or more", optarg);
    } else
      return tt_fail(TT_ERR_ARGUMENT,
                     "preflight: '%s' is no option, or its value is missing; see 'twotrack preflight --help'",
                     argv[optind - 1]);
  }
  if (optind != argc)
    return tt_fail(TT_ERR_ARGUMENT, "preflight: '%s' is too much; see 'twotrack preflight --help'",
                   argv[optind]);
  if (!a->preflight.store || !a->preflight.run)
    return tt_fail(TT_ERR_ARGUMENT,
                   "preflight: --store DIR and --out RUN are needed; see 'twotrack preflight --help'");
  return TT_OK;
}

static bool speaks(void) {
  tt_launcher launcher;
  tt_launcher_read(&launcher);
  return launcher.rank == 0;
}

typedef struct {
  json_t *problems, *notes;
  int count; // of problems, on rank 0
} findings;

static void take_findings(const tt_preflight *p, const arguments *a, findings *f) {
  f->count += a->json ? tt_cli_preflight_collect_remarks(p, f->problems, f->notes)
                      : tt_cli_preflight_print_remarks(p);
}

static void print_end(const tt_preflight *p, const arguments *a, findings *f) {
  if (a->json) {
    json_t *object = tt_cli_preflight_json(p, f->problems, f->notes);
    if (object) json_dumpf(object, stdout, JSON_INDENT(1));
    puts("");
    json_decref(object);
  } else if (f->count == 0) {
    printf("preflight: all is well (%.1f s)\n", p->seconds);
  }
}

static tt_status check(tt_preflight *p, const arguments *a, findings *f) {
  TT_TRY(tt_preflight_here(p, &a->preflight));
  bool first = p->comm.rank == 0;
  if (first && !a->json) tt_cli_preflight_print_nodes(p);
  if (first) take_findings(p, a, f);
  TT_TRY(tt_preflight_network(p));
  if (first && !a->json) tt_cli_preflight_print_network(p);
  if (first) take_findings(p, a, f);
  if (first) print_end(p, a, f);
  fflush(stdout);
  uint64_t problems = (uint64_t)f->count;
  TT_TRY(tt_comm_broadcast(&p->comm, &problems, sizeof problems, 0));
  f->count = (int)problems;
  return TT_OK;
}

int tt_cli_preflight(int argc, char **argv) {
  arguments a = {0};
  if (read_arguments(argc, argv, &a) != TT_OK) {
    if (speaks()) fprintf(stderr, "twotrack: error: %s\n", tt_error_message());
    return TT_EXIT_USAGE;
  }
  if (a.help) return speaks() && fputs(help, stdout) < 0;
  static tt_preflight p; // its thread may outlive this function
  findings f = {json_array(), json_array(), 0};
  tt_status status = check(&p, &a, &f);
  if (status != TT_OK)
    fprintf(stderr, "twotrack: error: preflight: node %s: %s\n", p.launcher.node, tt_error_message());
  if (status != TT_OK && p.comm.size > 1) tt_comm_abort(&p.comm); // the others would wait
  tt_preflight_end(&p);
  json_decref(f.problems), json_decref(f.notes);
  return status != TT_OK || f.count ? TT_EXIT_ERROR : 0;
}
