#include "cli/configuration.h"

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

tt_status tt_cli_add_set(tt_cli_configuration *c, const char *set) {
  if (c->set_count == TT_CLI_MAX_SETS)
    return tt_fail(TT_ERR_ARGUMENT, "more than %d --set options", TT_CLI_MAX_SETS);
  c->sets[c->set_count++] = set;
  return TT_OK;
}

tt_status tt_cli_load(const tt_cli_configuration *c, tt_config *config) {
  TT_TRY(tt_config_load(config, c->path, c->sets, c->set_count));
  if (c->store) {
    free(config->data.store);
    config->data.store = strdup(c->store);
    if (!config->data.store) return tt_fail(TT_ERR_MEMORY, "out of memory");
  }
  if (c->without_store) return TT_OK;
  if (!config->data.store || !*config->data.store)
    return tt_fail(TT_ERR_CONFIG, "%s names no store: set data.store or give --store DIR",
                   c->path ? c->path : "the configuration");
  if (!tt_utf8_valid(config->data.store)) // the run log, which is JSON, holds the configuration
    return tt_fail(TT_ERR_CONFIG,
                   "the store's path %s is no UTF-8 text; rename the folder or give a link to it",
                   config->data.store);
  return TT_OK;
}
