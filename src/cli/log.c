// twotrack log: what runs have logged, for other programs.
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/file.h"
#include "export/tensorboard.h"
#include "scaling/run_table.h"

static const char help[] =
    "usage: twotrack log export RUN... [--csv FILE] [--tensorboard DIR]\n"
    "\n"
    "Writes the logged records of runs for other programs. RUN is a run's folder, a run.jsonl file, or a\n"
    "folder whose subfolders are runs.\n"
    "\n"
    "  --csv FILE         one table of all runs, one row a record (kind: train or valid); its columns are\n"
    "                     told in docs/formats.md. 'twotrack fit --table FILE' fits what it would fit to\n"
    "                     the runs\n"
    "  --tensorboard DIR  event files for 'tensorboard --logdir DIR', a folder for each run\n"
    "  --help             this text\n";

static int wrong_usage(const char *why) {
  fprintf(stderr, "twotrack log: %s; see 'twotrack log --help'\n", why);
  return 2;
}

static void say(const char *where, size_t records, int runs) {
  printf("%s: %zu records of %d run%s\n", where, records, runs, runs == 1 ? "" : "s");
}

static tt_status export_runs(const char *const *runs, int count, const char *csv, const char *tensorboard) {
  tt_run_table table;
  char target[PATH_MAX];
  if (csv) TT_TRY(tt_file_target(csv, target, sizeof target)); // before many logs are read
  TT_TRY(tt_run_table_read(&table, runs, count));
  size_t records = 0;
  for (int i = 0; i < table.count; i++) records += table.runs[i].count;
  tt_status status = csv ? tt_run_table_write(&table, csv) : TT_OK;
  if (csv && status == TT_OK) say(csv, records, table.count);
  if (tensorboard && status == TT_OK) status = tt_export_tensorboard(&table, tensorboard);
  if (tensorboard && status == TT_OK) say(tensorboard, records, table.count);
  tt_run_table_free(&table);
  return status;
}

int tt_cli_log(int argc, char **argv) {
  static const struct option options[] = {{"csv", required_argument, NULL, 'c'},
                                          {"tensorboard", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
  const char *csv = NULL, *tensorboard = NULL;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, ":hc:t:", options, NULL)) != -1;) {
    char why[300];
    if (c == 'h') return printf("%s", help) < 0;
    if (c == 'c')
      csv = optarg;
    else if (c == 't')
      tensorboard = optarg;
    else {
      snprintf(why, sizeof why, "%s '%s'", c == ':' ? "a value is missing after" : "no option",
               argv[optind - 1]);
      return wrong_usage(why);
    }
  }
  if (optind == argc || strcmp(argv[optind], "export") != 0)
    return wrong_usage("the one thing it does is 'export'");
  if (optind + 1 == argc) return wrong_usage("name at least one run");
  if (!csv && !tensorboard) return wrong_usage("say what to write: --csv FILE, --tensorboard DIR");
  if (tensorboard && !*tensorboard) return wrong_usage("the folder after --tensorboard has no name");
  if (export_runs((const char *const *)argv + optind + 1, argc - optind - 1, csv, tensorboard) != TT_OK) {
    fprintf(stderr, "twotrack log: %s\n", tt_error_message());
    return 1;
  }
  return 0;
}
