// twotrack fit: a scaling law from logged runs or a table.
#include <stdio.h>

#include "cli/cli.h"
#include "cli/fit_arguments.h"
#include "cli/fit_report.h"
#include "cli/fit_result.h"

static const char help[] =
    "usage: twotrack fit RUN... --law NAME [OPTIONS]\n"
    "       twotrack fit --table FILE.csv --law NAME [OPTIONS]\n"
    "       twotrack fit --law NAME --at NAME=VALUE,...|paper --predict VARIABLE=VALUE,...\n"
    "\n"
    "Fits a scaling law to the validation losses of runs (run folders, run.jsonl files, or folders of runs)\n"
    "or to a table, by Huber's function of log loss, summed, from many starts. Prints the constants with\n"
    "standard errors, bootstrap intervals and correlations, residuals, and cautions. A constant that the\n"
    "points do not determine is 'not identified', with the reason. docs/scaling-laws.md explains every "
    "number.\n"
    "\n"
    "  --law NAME               chinchilla  L = E + A / N^alpha + B / D^beta\n"
    "                           uni-mol2    L = a_m M^b_m + a_s S^b_s + a_c (M S)^b_c, M in millions\n"
    "                           power       L = E + A / x^alpha, x given by --variable\n"
    "  --variable NAME          of the law power: size, samples, steps or flops (default: samples; size "
    "when\n"
    "                           all points have the same number of samples)\n"
    "\n"
    "which points count:\n"
    "  --term NAME              validation loss: total (default), token, position or distance\n"
    "  --size NAME              how size is counted: total (all parameters, the default), "
    "without-embeddings,\n"
    "                           flops (executed FLOPs a molecule)\n"
    "  --points NAME            auto (default): runs with a constant learning rate give all points after "
    "warm-up,\n"
    "                           others only their last; all; last\n"
    "  --from-step N            points before this step are left out\n"
    "  --skip-fraction F        points in this first part of each run are left out (default of runs: 0.25)\n"
    "  --best-rate              of the runs of one size keep the learning rate with the lowest mean last "
    "loss\n"
    "  --leave-out-highest K    leave out the K points with the highest losses\n"
    "  --mixed                  runs whose losses are not comparable are a caution, not an error\n"
    "  --columns NAME=COLUMN,.. of the table: size, samples, steps, flops, loss, loss_se, run; without "
    "samples\n"
    "                           D = flops / (6 size)\n"
    "\n"
    "what is asked of the law:\n"
    "  --hold-out N             fit without the N largest sizes and predict them\n"
    "  --predict NAME=VALUE,..  loss at size, samples, steps or flops, with its interval; may be repeated\n"
    "  --at NAME=VALUE,..       the objective and predictions of these constants too, or of the published "
    "ones\n"
    "                           (--at paper)\n"
    "\n"
    "how it is fitted:\n"
    "  --huber D                where Huber's function becomes straight (default: 0.001)\n"
    "  --starts N               random starts beside those of the grid of exponents (default: 32)\n"
    "  --resamples N            refits for intervals (default: 1000)\n"
    "  --confidence P           of the intervals (default: 0.95)\n"
    "  --interval NAME          default, or percentile: plain quantiles of the refits\n"
    "  --seed N                 of starts and resamples (default: 1)\n"
    "\n"
    "output:\n"
    "  --out FILE               a figure too: .png (1920 pixels wide) or .svg\n"
    "  --title TEXT             its heading\n"
    "  --json                   one JSON object instead of tables\n"
    "  --help                   this text\n";

int tt_cli_fit(int argc, char **argv) {
  tt_fit_arguments arguments;
  if (tt_fit_arguments_read(argc, argv, &arguments) != TT_OK) {
    fprintf(stderr, "twotrack fit: %s; see 'twotrack fit --help'\n", tt_error_message());
    return 2;
  }
  if (arguments.help) return fputs(help, stdout) < 0;
  static tt_fit_result result; // large
  tt_status status = tt_fit_result_make(&result, &arguments);
  // the figure first: a report that ends well means that all was written
  if (status == TT_OK && arguments.out) status = tt_fit_report_draw(&result);
  if (status == TT_OK && arguments.json)
    status = tt_fit_report_json(&result);
  else if (status == TT_OK)
    tt_fit_report_print(&result);
  tt_fit_result_free(&result);
  if (status == TT_OK) return 0;
  fprintf(stderr, "twotrack fit: %s\n", tt_error_message());
  return 1;
}
