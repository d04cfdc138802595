// Several stores made into one.
#include <stdlib.h>
#include <string.h>

#include "derive/sources.h"

// ---- can they be merged
// ----------------------------------------------------------------------------------------

static tt_status check_same(const tt_sources *in) {
  const tt_store_info *a = tt_store_information(in->stores[0]);
  for (uint32_t k = 1; k < in->count; k++) {
    const tt_store_info *b = tt_store_information(in->stores[k]);
    const char *what = a->hydrogens != b->hydrogens             ? "hydrogens (--keep-hydrogens)"
                       : a->coordinates_2d != b->coordinates_2d ? "2-D coordinates (--coordinates-2d)"
                       : a->seed != b->seed
                           ? "the seed (--seed), from which the order of the molecules follows"
                           : NULL;
    if (what)
      return tt_fail(TT_ERR_ARGUMENT,
                     "%s and %s differ in %s; build them with the same options to merge them",
                     tt_store_folder(in->stores[0]), tt_store_folder(in->stores[k]), what);
  }
  return TT_OK;
}

// Appends what `text` does not say yet, else says that there are several.
static void add_text(char *text, size_t size, const char *more) {
  size_t length = strlen(text);
  if (strstr(text, more)) return;
  if (length + 2 + strlen(more) < size)
    snprintf(text + length, size - length, "; %s", more);
  else
    snprintf(text, size, "several; see origin.json");
}

static tt_store_info describe(const tt_sources *in) {
  tt_store_info info = *tt_store_information(in->stores[0]);
  for (uint32_t k = 1; k < in->count; k++) {
    const tt_store_info *more = tt_store_information(in->stores[k]);
    add_text(info.toolkit, sizeof info.toolkit, more->toolkit);
    add_text(info.recipe, sizeof info.recipe, more->recipe);
  }
  return info;
}

// ---- who goes where
// --------------------------------------------------------------------------------------------

static void choose(void *context, const tt_key_place *same, uint32_t count, uint8_t *to) {
  (void)context;
  bool valid = false;
  for (uint32_t k = 0; k < count; k++) valid |= tt_place_is_valid(&same[k]);
  memset(to, valid ? TT_VALID : TT_TRAIN, count);
}

typedef struct {
  uint64_t molecules[2], moved;
} tally;

static tt_status count_key(void *context, const tt_key_place *same, uint32_t count) {
  tally *t = context;
  uint32_t most = 0, valid = 0; // of one store: a key may, hardly ever, have two molecules
  for (uint32_t k = 0, first = 0; k < count; k++) {
    if (same[k].run / 2 != same[first].run / 2) first = k;
    if (k - first + 1 > most) most = k - first + 1;
    valid += tt_place_is_valid(&same[k]);
  }
  t->molecules[valid ? TT_VALID : TT_TRAIN] += most;
  t->moved += valid && valid < count;
  return TT_OK;
}

tt_status tt_store_merge(const tt_comm *comm, const tt_derive_options *options, tt_derive_summary *summary) {
  *summary = (tt_derive_summary){0};
  tt_sources in;
  tally t = {0};
  char *origin = NULL;
  tt_status status = tt_sources_open(comm, options, &in);
  if (status == TT_OK) status = tt_comm_agree(comm, check_same(&in));
  if (status == TT_OK) status = tt_sources_walk(comm, &in, count_key, &t);
  uint64_t words[] = {t.molecules[0], t.molecules[1], t.moved};
  if (status == TT_OK) status = tt_comm_sum(comm, words, 3);
  if (status == TT_OK) status = tt_comm_agree(comm, tt_sources_origin(&in, "merge", NULL, &origin));
  if (status == TT_OK) {
    tt_rewrite r = {.comm = comm,
                    .runs = &in.runs,
                    .folder = options->folder,
                    .info = describe(&in),
                    .plan = tt_rewrite_plan(words[0], words[1], options->shards),
                    .origin = origin,
                    .choose = choose,
                    .expected = {words[0], words[1]}};
    // like a build in which no molecule happened to fall to validation
    if (in.validation && r.plan.shards[TT_VALID] == 0) r.plan.shards[TT_VALID] = 1;
    status = tt_rewrite_run(&r, &summary->written);
  }
  summary->read[0] = in.records[0], summary->read[1] = in.records[1], summary->moved = words[2];
  free(origin);
  tt_sources_close(&in);
  return status;
}
