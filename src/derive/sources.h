// Inside merge, split and sample: the stores that they read.
#ifndef TT_DERIVE_SOURCES_H
#define TT_DERIVE_SOURCES_H

#include <jansson.h>

#include "derive/derive.h"

typedef struct {
  tt_store **stores; // (count)
  uint32_t count;
  tt_key_runs runs;
  uint64_t records[2]; // of each split
  bool validation;     // whether any store has a validation split, be it empty
} tt_sources;

// Collective.
tt_status tt_sources_open(const tt_comm *comm, const tt_derive_options *options, tt_sources *inputs);
void tt_sources_close(tt_sources *inputs); // fine on zeroes

// The text of origin.json; `details` is taken (and may be NULL). free() it. TT_ERR_MEMORY.
tt_status tt_sources_origin(const tt_sources *inputs, const char *command, json_t *details, char **text);

// Whether the place is in a validation split.
static inline bool tt_place_is_valid(const tt_key_place *place) {
  return place->run % 2 == 1;
}

// Walks over this rank's share of all keys, with progress; visits the molecules of each key. Collective.
typedef tt_status (*tt_sources_visit)(void *context, const tt_key_place *same, uint32_t count);
tt_status tt_sources_walk(const tt_comm *comm, const tt_sources *inputs, tt_sources_visit visit,
                          void *context);

#endif
