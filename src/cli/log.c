// twotrack log: what runs have logged, for other programs.
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "scaling/run_table.h"

static const char help[] =
    "usage: twotrack log export RUN... --csv FILE\n"
    "\n"
    "Writes the logged records of runs for other programs. RUN is a run's folder, a run.jsonl file, or a\n"
    "folder whose subfolders are runs.\n"
    "\n"
    "  --csv FILE  one table of all runs, one row a record (kind: train or valid); its columns are told in\n"
    "              docs/formats.md. 'twotrack fit --table FILE' fits what it would fit to the runs\n"
    "  --help      this text\n";

static int wrong_usage(const char *why) {
  fprintf(stderr, "twotrack log: %s; see 'twotrack log --help'\n", why);
  return 2;
}

static tt_status export_runs(const char *const *runs, int count, const char *csv) {
  tt_run_table table;
  TT_TRY(tt_run_table_read(&table, runs, count));
  size_t records = 0;
  for (int i = 0; i < table.count; i++) records += table.runs[i].count;
  tt_status status = tt_run_table_write(&table, csv);
  if (status == TT_OK)
    printf("%s: %zu records of %d run%s\n", csv, records, table.count, table.count == 1 ? "" : "s");
  tt_run_table_free(&table);
  return status;
}

int tt_cli_log(int argc, char **argv) {
  static const struct option options[] = {
      {"csv", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
  const char *csv = NULL;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, ":hc:", options, NULL)) != -1;) {
    char why[300];
    if (c == 'h') return printf("%s", help) < 0;
    if (c == 'c')
      csv = optarg;
    else {
      snprintf(why, sizeof why, "%s '%s'", c == ':' ? "a value is missing after" : "no option",
               argv[optind - 1]);
      return wrong_usage(why);
    }
  }
  if (optind == argc || strcmp(argv[optind], "export") != 0)
    return wrong_usage("the one thing it does is 'export'");
  if (optind + 1 == argc) return wrong_usage("name at least one run");
  if (!csv) return wrong_usage("--csv is missing");
  if (export_runs((const char *const *)argv + optind + 1, argc - optind - 1, csv) != TT_OK) {
    fprintf(stderr, "twotrack log: %s\n", tt_error_message());
    return 1;
  }
  return 0;
}
