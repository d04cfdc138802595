#include "preflight/nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tt_nodes_ranks(const bool *chosen, int size, char *text, size_t text_size) {
  size_t length = 0;
  *text = 0;
  for (int r = 0; r < size; r++) {
    if (!chosen[r]) continue;
    int last = r;
    while (last + 1 < size && chosen[last + 1]) last++;
    if (length + 40 > text_size) {
      snprintf(text + length, text_size - length, ", ...");
      return;
    }
    length += (size_t)snprintf(text + length, text_size - length, last > r ? "%s%d-%d" : "%s%d",
                               length ? ", " : "", r, last);
    r = last;
  }
}

static bool same(const tt_nodes_saying *a, const tt_nodes_saying *b) {
  return strcmp(a->text, b->text) == 0;
}

// "n2, n3, ..." of those that are chosen; how many different nodes that are.
static int name_nodes(const tt_nodes_saying *sayings, int count, const bool *chosen, char *text,
                      size_t size) {
  int nodes = 0;
  size_t length = 0;
  const char *before = NULL;
  *text = 0;
  for (int k = 0; k < count; k++) {
    if (!chosen[k] || (before && strcmp(before, sayings[k].node) == 0)) continue;
    before = sayings[k].node;
    bool seen = false; // ranks that are dealt to the nodes in turn
    for (int j = 0; j < k && !seen; j++) seen = chosen[j] && strcmp(sayings[j].node, before) == 0;
    if (seen) continue;
    nodes++;
    if (length + 80 < size && nodes <= 8)
      length += (size_t)snprintf(text + length, size - length, "%s%s", length ? ", " : "", before);
    else if (length + 6 < size && nodes == 9)
      length += (size_t)snprintf(text + length, size - length, ", ...");
  }
  return nodes;
}

static void describe(const tt_nodes_saying *sayings, int count, const bool *chosen, const bool *ranks,
                     int size, char *who, size_t who_size) {
  char names[800], list[400];
  int chosen_ranks = 0;
  for (int r = 0; r < size; r++) chosen_ranks += ranks[r];
  tt_nodes_ranks(ranks, size, list, sizeof list);
  int nodes = name_nodes(sayings, count, chosen, names, sizeof names);
  const char *plural = chosen_ranks > 1 ? "s" : "";
  if (nodes > 1 && chosen_ranks == size)
    snprintf(who, who_size, "all %d nodes (ranks %s)", nodes, list);
  else if (nodes > 1)
    snprintf(who, who_size, "nodes %s (ranks %s)", names, list);
  else if (names[0])
    snprintf(who, who_size, "node %s (rank%s %s)", names, plural, list);
  else
    snprintf(who, who_size, "rank%s %s", plural, list);
}

void tt_nodes_tell(const tt_nodes_saying *sayings, int count, int size,
                   void (*tell)(void *context, const char *who, const char *text), void *context) {
  bool *told = calloc((size_t)count + 1, 1), *chosen = malloc((size_t)count + 1);
  bool *ranks = malloc((size_t)size + 1);
  for (int k = 0; told && chosen && ranks && k < count; k++) {
    if (told[k]) continue;
    memset(chosen, 0, (size_t)count), memset(ranks, 0, (size_t)size);
    for (int j = k; j < count; j++) {
      if (told[j] || !same(&sayings[k], &sayings[j])) continue;
      // ranks whose node is not known are no node of their own
      if ((sayings[k].node[0] == 0) != (sayings[j].node[0] == 0)) continue;
      chosen[j] = told[j] = true, ranks[sayings[j].rank] = true;
    }
    char who[1300];
    describe(sayings, count, chosen, ranks, size, who, sizeof who);
    tell(context, who, sayings[k].text);
  }
  free(told), free(chosen), free(ranks);
}
