// twotrack store split: a store with another choice of its validation.
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/store_derive.h"

static const char help[] =
    "usage: twotrack store split DIR --valid N --out DIR [OPTIONS]\n"
    "\n"
    "Makes a store of the same molecules of which exactly N, drawn at random from all, are for validation "
    "(the "
    "paper:\n"
    "520,000 of 884 million) and all others to train on, whatever they were before. Under mpirun or srun the "
    "ranks share the\n"
    "work; the result is the same, byte for byte, for any number of ranks.\n"
    "\n"
    "  --valid N   molecules for validation; 0: none\n"
    "  --seed S    of the draw (default 1). With the same seed a larger N has the molecules of a smaller "
    "one\n"
    "  --out DIR   where to put the store; DIR must not hold one yet\n"
    "  --shards N  files for the training molecules (default: from the number of molecules)\n"
    "  --json      the summary as one JSON object\n"
    "  --help      this text\n"
    "\n"
    "Molecules that a model was trained on may be among the N: split first, then train. Interrupted, the "
    "same "
    "command starts\n"
    "afresh.\n";

static uint64_t valid, seed = 1;
static bool given;

static const char *take(const char *name, const char *value) {
  if (strcmp(name, "--seed") == 0)
    return tt_cli_read_integer(value, 0, UINT64_MAX, &seed) ? NULL
                                                            : "a whole number from 0 to 18446744073709551615";
  given = tt_cli_read_integer(value, 0, INT64_MAX, &valid);
  return given ? NULL : "a whole number of molecules";
}

static const char *missing(void) {
  return given ? NULL : "say how many molecules are for validation: --valid N";
}

static tt_status run(const tt_comm *comm, const tt_derive_options *options, tt_derive_summary *summary) {
  return tt_store_split(comm, options, valid, seed, summary);
}

int tt_cli_store_split(int argc, char **argv) {
  static const char *const names[] = {"--valid", "--seed", NULL};
  static const tt_derive_command command = {
      .command = "split", .help = help, .names = names, .take = take, .missing = missing, .run = run};
  return tt_cli_derive(&command, argc, argv);
}
