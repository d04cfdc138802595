// How `twotrack replay` shows what it found: the layers as rows, a table, a JSON object.
#ifndef TT_CLI_REPLAY_PRINT_H
#define TT_CLI_REPLAY_PRINT_H

#include <jansson.h>

#include "train/replay.h"

// A layer, or what comes before and after all layers.
typedef struct {
  char name[24];                 // "embedding", "layer 0", ..., "token head", "movement head"
  const tt_activation_size *x, *pair; // what it gives on; NULL where there is none
  tt_magnitude weight, gradient, update;
} tt_replay_row;

// The rows of a replay in the order of the forward: layers + 3 of them. NULL when out of memory; free() it.
tt_replay_row *tt_replay_rows(const tt_replay *replay);

// What is not finite first: an activation, in the order of the forward, else a gradient, in that of the
// backward. "" when all is finite.
void tt_replay_first_broken(const tt_replay *replay, char *text, size_t size);

void tt_replay_print(const tt_replay *replay, const tt_replay_request *request, const tt_replay_row *rows);

// NULL when out of memory.
json_t *tt_replay_json(const tt_replay *replay, const tt_replay_request *request, const tt_replay_row *rows);

#endif
