// What `twotrack preflight` says, on rank 0.
#ifndef TT_CLI_PREFLIGHT_PRINT_H
#define TT_CLI_PREFLIGHT_PRINT_H

#include <jansson.h>

#include "preflight/preflight.h"

// Who is where and what they see: after tt_preflight_here.
void tt_cli_preflight_print_nodes(const tt_preflight *p);

// What the network does: after tt_preflight_network.
void tt_cli_preflight_print_network(const tt_preflight *p);

// The remarks to stderr: "twotrack: error: preflight: node n2 (ranks 2-3): ...", notes with "note" in place
// of "error". Returns the number of problems' lines.
int tt_cli_preflight_print_remarks(const tt_preflight *p);

// The same as JSON (docs/formats.md): remarks are added to the arrays; the rest is one object. NULL: out of
// memory.
int tt_cli_preflight_collect_remarks(const tt_preflight *p, json_t *problems, json_t *notes);
json_t *tt_cli_preflight_json(const tt_preflight *p, json_t *problems, json_t *notes);

#endif
