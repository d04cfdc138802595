// Ranks told by their nodes: "node n2 (ranks 2-3)".
#ifndef TT_PREFLIGHT_NODES_H
#define TT_PREFLIGHT_NODES_H

#include <stdbool.h>
#include <stddef.h>

// "0", "0-3", "0-3, 8, 10-11": those of `size` ranks whose flag is set. Long lists end with ", ...".
void tt_nodes_ranks(const bool *chosen, int size, char *text, size_t text_size);

// Something that one rank has to say.
typedef struct {
  int rank;
  const char *node; // "": not known
  const char *text;
} tt_nodes_saying;

// Calls `tell` once for all ranks of one node that say the same, "node n2 (ranks 2-3)", or once for all ranks
// of several nodes: "all 8 nodes (ranks 0-31)" when those are all of `size` ranks, "8 nodes (n2, n3, ...;
// ranks 2-17)" when many nodes say the same. In order of the first rank that says it. `size`: ranks of the
// job. Sayings in order of ranks.
void tt_nodes_tell(const tt_nodes_saying *sayings, int count, int size,
                   void (*tell)(void *context, const char *who, const char *text), void *context);

#endif
