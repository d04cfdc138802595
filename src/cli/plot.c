// twotrack plot: draws loss curves.
#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "scaling/plot.h"

static const char help[] =
    "usage: twotrack plot RUN... --out FILE.png|FILE.svg [--title TEXT]\n"
    "\n"
    "Draws the losses of one or several runs (run folders or run.jsonl files) against the molecules\n"
    "seen, on logarithmic axes.\n"
    "\n"
    "One run gives four frames: the total loss and its three terms, each with the training loss as\n"
    "logged, its mean over bins of 1/12 decade of molecules, the validation loss with its standard\n"
    "error, and the baselines that the log names. Several runs give one frame with the total losses.\n"
    "Values that a logarithmic axis cannot show (0, or missing) are left out.\n"
    "\n"
    "  --out FILE    picture to write: .png (1600 x 1000 pixels) or .svg\n"
    "  --title TEXT  heading (default: the run's name and size)\n"
    "  --help        this text\n";

static int wrong_usage(const char *why) {
  fprintf(stderr, "twotrack plot: %s; see 'twotrack plot --help'\n", why);
  return 2;
}

int tt_cli_plot(int argc, char **argv) {
  static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                          {"title", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
  const char *out = NULL, *title = NULL;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, ":ho:t:", options, NULL)) != -1;) {
    char why[300];
    if (c == 'h') return printf("%s", help) < 0;
    if (c == 'o')
      out = optarg;
    else if (c == 't')
      title = optarg;
    else {
      snprintf(why, sizeof why, "%s '%s'", c == ':' ? "a value is missing after" : "no option",
               argv[optind - 1]);
      return wrong_usage(why);
    }
  }
  if (optind == argc) return wrong_usage("name at least one run");
  if (!out) return wrong_usage("--out is missing");
  if (tt_plot_runs((const char *const *)argv + optind, argc - optind, title, out) != TT_OK) {
    fprintf(stderr, "twotrack plot: %s\n", tt_error_message());
    return 1;
  }
  return 0;
}
