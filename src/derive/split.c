// A store with another choice of its validation.
#include <stdlib.h>

#include "core/memory.h"
#include "core/philox.h"
#include "derive/sources.h"
#include "derive/words.h"

typedef struct {
  uint64_t mask;
  uint64_t *hashes; // of this rank's share
  size_t count, room;
  size_t at;
  uint64_t threshold; // hashes below it are validation
  uint64_t ties;      // and so many molecules that have it
  uint64_t valid;
} split_job;

static uint64_t hash(const split_job *s, uint64_t key) {
  return tt_mix64(key ^ s->mask); // one-to-one: equal hashes are equal keys
}

// ---- the n-th smallest hash
// ------------------------------------------------------------------------------------

static tt_status collect(void *context, const tt_key_place *same, uint32_t count) {
  split_job *s = context;
  TT_TRY(tt_reserve(&s->hashes, &s->room, s->count + count, sizeof *s->hashes,
                    "the table of molecules (more ranks, on more machines, hold less each)"));
  for (uint32_t k = 0; k < count; k++) s->hashes[s->count++] = hash(s, same[k].key);
  return TT_OK;
}

static void rewind_hashes(void *context) {
  ((split_job *)context)->at = 0;
}

static bool next_hash(void *context, uint64_t *value) {
  split_job *s = context;
  if (s->at == s->count) return false;
  *value = s->hashes[s->at++];
  return true;
}

static tt_status find_threshold(const tt_comm *comm, split_job *s) {
  tt_word_source source = {rewind_hashes, next_hash, s};
  uint64_t below, equal;
  if (s->valid == 0) return TT_OK;
  TT_TRY(tt_words_nth(comm, &source, s->valid, &s->threshold, &below, &equal));
  s->ties = s->valid - below;
  return TT_OK;
}

// ---- who goes where
// --------------------------------------------------------------------------------------------

static void choose(void *context, const tt_key_place *same, uint32_t count, uint8_t *to) {
  const split_job *s = context;
  uint64_t h = hash(s, same->key);
  for (uint32_t k = 0; k < count; k++) {
    bool valid = h < s->threshold || (h == s->threshold && k < s->ties);
    to[k] = valid ? TT_VALID : TT_TRAIN;
  }
}

static tt_status check(const tt_sources *in, uint64_t valid) {
  uint64_t all = in->records[0] + in->records[1];
  if (valid < all) return TT_OK;
  return tt_fail(TT_ERR_ARGUMENT, "%s has %llu molecules: with %llu for validation none is left to train on",
                 tt_store_folder(in->stores[0]), (unsigned long long)all, (unsigned long long)valid);
}

tt_status tt_store_split(const tt_comm *comm, const tt_derive_options *options, uint64_t valid, uint64_t seed,
                         tt_derive_summary *summary) {
  *summary = (tt_derive_summary){0};
  tt_sources in;
  char *origin = NULL;
  split_job s = {.mask = tt_stream(seed, 0, 0x73706c6974), .valid = valid};
  tt_status status = tt_sources_open(comm, options, &in);
  if (status == TT_OK) status = tt_comm_agree(comm, check(&in, valid));
  uint64_t all = in.records[0] + in.records[1], share = all / (uint64_t)comm->size;
  if (status == TT_OK) // a share that is a little larger must not need a second table
    status = tt_comm_agree(
        comm, tt_reserve(&s.hashes, &s.room, share + share / 32 + 1, sizeof *s.hashes,
                         "the table of molecules (more ranks, on more machines, hold less each)"));
  if (status == TT_OK) status = tt_sources_walk(comm, &in, collect, &s);
  if (status == TT_OK) status = find_threshold(comm, &s);
  free(s.hashes), s.hashes = NULL;
  if (status == TT_OK)
    status = tt_comm_agree(comm, tt_sources_origin(&in, "split",
                                                   json_pack("{s:I, s:o}", "valid", (json_int_t)valid, "seed",
                                                             json_sprintf("%llu", (unsigned long long)seed)),
                                                   &origin));
  if (status == TT_OK) {
    tt_rewrite r = {.comm = comm,
                    .runs = &in.runs,
                    .folder = options->folder,
                    .info = *tt_store_information(in.stores[0]),
                    .plan = tt_rewrite_plan(all - valid, valid, options->shards),
                    .origin = origin,
                    .choose = choose,
                    .context = &s,
                    .expected = {all - valid, valid},
                    .exact = true};
    status = tt_rewrite_run(&r, &summary->written);
  }
  summary->read[0] = in.records[0], summary->read[1] = in.records[1];
  free(origin);
  tt_sources_close(&in);
  return status;
}
