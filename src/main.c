// twotrack: the table of subcommands; nothing else.
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const tt_command commands[] = {
    {"store", tt_cli_store, "build, merge, split, sample, describe and verify stores of molecules"},
    {"train", tt_cli_train, "train a model"},
    {"sweep", tt_cli_sweep, "train sizes x steps x learning rates x seeds, here or as a Slurm job array"},
    {"replay", tt_cli_replay, "run an update of a run again and look into it, layer by layer"},
    {"checkpoint", tt_cli_checkpoint, "describe, verify and import checkpoints"},
    {"preflight", tt_cli_preflight, "check that the nodes of a job can train, and name those that cannot"},
    {"plan", tt_cli_plan, "what a configuration takes on so many GPUs, and how to lay it out on them"},
    {"bench", tt_cli_bench, "measure how fast training runs here"},
    {"log", tt_cli_log, "export the records of runs as one table"},
    {"plot", tt_cli_plot, "draw the loss curves of runs"},
    {"fit", tt_cli_fit, "fit a scaling law to runs or a table, with intervals, predictions and a figure"},
    {NULL, NULL, NULL},
};

static void usage(FILE *out) {
  fprintf(out, "usage: twotrack COMMAND [OPTIONS]\n\ncommands:\n");
  for (const tt_command *c = commands; c->name; c++) fprintf(out, "  %-11s %s\n", c->name, c->summary);
  fprintf(
      out,
      "\n'twotrack COMMAND --help' tells more; 'twotrack --version' names the build and its libraries.\n");
}

// What was printed may be the result: a full disk must not look like success.
static int finish(int code) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  fprintf(stderr, "twotrack: error: the standard output could not be written\n");
  return code ? code : 1;
}

int main(int argc, char **argv) {
  signal(SIGXFSZ, SIG_IGN); // a limit on file sizes is then an error that is reported, like a full disk
  if (argc >= 2 && strcmp(argv[1], "--version") == 0) return finish(tt_cli_version());
  if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) return usage(stdout), 0;
  if (argc < 2) return usage(stderr), 2;
  for (const tt_command *c = commands; c->name; c++)
    if (strcmp(argv[1], c->name) == 0) return finish(c->run(argc - 1, argv + 1));
  fprintf(stderr, "twotrack: no command '%s'\n", argv[1]);
  usage(stderr);
  return 2;
}
