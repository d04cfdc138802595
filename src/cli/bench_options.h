// How the bench commands read their options.
#ifndef TT_CLI_BENCH_OPTIONS_H
#define TT_CLI_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/configuration.h"

// An option of one command that takes a value. `take` puts it into the command's own arguments and fails with
// what the value must be.
typedef struct {
  const char *name; // without the dashes
  tt_status (*take)(const char *value, void *arguments);
} tt_bench_option;

typedef struct {
  const char *command;            // for messages: "bench", "bench loader"
  const tt_bench_option *options; // then one without a name
  tt_cli_configuration *config;   // gets --store and --set; NULL: the command takes neither
  bool json, help;                // what was found: --json, --help (nothing after it is read)
} tt_bench_options;

// Reads the options; getopt's `optind` is then the first argument that is none.
tt_status tt_bench_read_options(tt_bench_options *o, int argc, char **argv, void *arguments);

// An option's whole number from `least` to a million. TT_ERR_ARGUMENT.
tt_status tt_bench_read_count(const char *command, const char *text, const char *option, int64_t least,
                              int64_t *value);

#endif
