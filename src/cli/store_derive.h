// What the commands 'store merge', 'store split' and 'store sample' share: options, the ranks, what they
// print.
#ifndef TT_CLI_STORE_DERIVE_H
#define TT_CLI_STORE_DERIVE_H

#include <jansson.h>
#include <stdbool.h>

#include "derive/derive.h"

typedef struct {
  const char *command; // "merge", ...
  const char *help;
  bool many;                // takes several stores
  const char *const *names; // options of its own that need a value, then NULL
  // Takes the value of one of them. NULL, or what the value must be.
  const char *(*take)(const char *name, const char *value);
  // NULL, or what is missing.
  const char *(*missing)(void);
  tt_status (*run)(const tt_comm *comm, const tt_derive_options *options, tt_derive_summary *summary);
  void (*print)(const tt_derive_summary *summary);             // more lines; may be NULL
  void (*add)(const tt_derive_summary *summary, json_t *json); // more fields; may be NULL
} tt_derive_command;

// The whole command: its exit code.
int tt_cli_derive(const tt_derive_command *command, int argc, char **argv);

// Options of a whole number, and of a number; false when the text is none in that range.
bool tt_cli_read_integer(const char *text, uint64_t low, uint64_t high, uint64_t *value);
bool tt_cli_read_number(const char *text, double low, double high, double *value);

#endif
