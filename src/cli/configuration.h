// What commands that take a CONFIG share: its overrides and its store.
#ifndef TT_CLI_CONFIGURATION_H
#define TT_CLI_CONFIGURATION_H

#include <stdbool.h>

#include "config/config.h"

enum { TT_CLI_MAX_SETS = 256 };

typedef struct {
  const char *path, *store; // CONFIG, or NULL: all defaults; --store DIR or NULL
  const char *sets[TT_CLI_MAX_SETS];
  int set_count;
  bool without_store; // none need be named
} tt_cli_configuration;

// Keeps a --set group.key=value. TT_ERR_ARGUMENT when there are too many.
tt_status tt_cli_add_set(tt_cli_configuration *c, const char *set);

// Loads and checks the configuration; a store must be named, in it or by --store, but
// for `without_store`: then data.store may stay "".
tt_status tt_cli_load(const tt_cli_configuration *c, tt_config *config);

#endif
