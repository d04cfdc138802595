// A part of a store's training molecules, drawn by scaffold.
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "derive/sources.h"
#include "derive/words.h"

typedef struct {
  const tt_comm *comm;
  const tt_sources *in;
  const tt_race *race;
  tt_shard_plan plan;
  tt_key_walk *walk;
  const tt_key_place *same; // the molecules of the key in hand
  uint32_t count, at;
  double begun;
  tt_racer *racers; // of this rank's scaffolds
  uint64_t *orders; // (taken) of the racers taken, which are gone then
  size_t racer_count, taken, given;
  uint64_t *keys; // (key_count) of the molecules chosen, those of this rank's shards, ascending
  size_t key_count;
} sample_job;

// ---- the race
// --------------------------------------------------------------------------------------------------

// The next training molecule of this rank's share, for the rank of its scaffold.
static tt_status next_racer(void *context, uint64_t *item, int *rank, bool *end) {
  sample_job *s = context;
  uint64_t all = s->in->records[0] + s->in->records[1];
  for (;; s->at++) {
    if (s->at == s->count) {
      TT_TRY(tt_key_walk_next(s->walk, &s->same, &s->count));
      s->at = 0;
      uint64_t done = tt_key_walk_seen(s->walk) * (uint64_t)s->comm->size;
      tt_rewrite_show(s->comm, "reading keys", s->begun, done < all ? done : all - 1, all);
      if (s->count == 0) return *end = true, TT_OK;
    }
    if (!tt_place_is_valid(&s->same[s->at])) break;
  }
  const tt_key_place *place = &s->same[s->at++];
  item[0] = place->scaffold, item[1] = tt_race_order(place->key, s->race->seed);
  *rank = tt_race_rank(s->comm, place->scaffold);
  return TT_OK;
}

// The key of the next molecule that was taken, for the rank that makes its shard.
static tt_status next_key(void *context, uint64_t *item, int *rank, bool *end) {
  sample_job *s = context;
  if (s->given == s->taken) return *end = true, TT_OK;
  *item = tt_race_key(s->orders[s->given++], s->race->seed);
  *rank = tt_rewrite_rank(&s->plan, tt_plan_shard_in(&s->plan, TT_TRAIN, *item), s->comm->size);
  return TT_OK;
}

static tt_status gather_racers(sample_job *s) {
  uint64_t first, last, *words = NULL;
  tt_key_share(s->comm->rank, s->comm->size, &first, &last);
  TT_TRY(tt_comm_agree(s->comm, tt_key_walk_begin(&s->walk, &s->in->runs, first, last)));
  tt_word_feed feed = {next_racer, s};
  TT_TRY(tt_words_deal(s->comm, &feed, 2, s->in->records[TT_TRAIN] / (uint64_t)s->comm->size, &words,
                       &s->racer_count));
  _Static_assert(sizeof(tt_racer) == 2 * sizeof(uint64_t), "a racer is two words");
  s->racers = (tt_racer *)(void *)words;
  TT_TRY(tt_key_walk_check(s->comm, s->walk));
  tt_words_sort(words, s->racer_count, 2);
  return TT_OK;
}

// Of the racers taken only the orders are needed: half of the memory, and none of the others'.
static void keep_orders(sample_job *s) {
  uint64_t *words = (uint64_t *)(void *)s->racers;
  for (size_t k = 0; k < s->taken; k++) words[k] = words[2 * k + 1];
  uint64_t *shorter = realloc(words, (s->taken + 1) * sizeof *words);
  s->orders = shorter ? shorter : words, s->racers = NULL;
}

static tt_status draw(sample_job *s, tt_derive_summary *summary) {
  TT_TRY(gather_racers(s));
  TT_TRY(
      tt_race_run(s->comm, s->race, s->racers, s->racer_count, &s->taken, &summary->before, &summary->after));
  keep_orders(s);
  tt_word_feed feed = {next_key, s};
  TT_TRY(tt_words_deal(s->comm, &feed, 1, s->race->count / (uint64_t)s->comm->size, &s->keys, &s->key_count));
  tt_words_sort(s->keys, s->key_count, 1);
  free(s->orders), s->orders = NULL;
  return TT_OK;
}

// ---- who goes where
// --------------------------------------------------------------------------------------------

// How many keys of the table are below `key`.
static size_t place_of(const sample_job *s, uint64_t key) {
  size_t low = 0, high = s->key_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (s->keys[middle] < key)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void choose(void *context, const tt_key_place *same, uint32_t count, uint8_t *to) {
  const sample_job *s = context;
  size_t at = place_of(s, same->key);
  for (uint32_t k = 0; k < count; k++) {
    to[k] = TT_LEFT_OUT;
    if (tt_place_is_valid(&same[k]))
      to[k] = TT_VALID;
    else if (at < s->key_count && s->keys[at] == same->key)
      to[k] = TT_TRAIN, at++;
  }
}

static tt_status check(const tt_sources *in, const tt_race *race) {
  if (race->count <= in->records[TT_TRAIN]) return TT_OK;
  return tt_fail(TT_ERR_ARGUMENT, "%s has %llu molecules to train on, not the %llu that are asked for",
                 tt_store_folder(in->stores[0]), (unsigned long long)in->records[TT_TRAIN],
                 (unsigned long long)race->count);
}

static tt_status describe(const tt_sources *in, const tt_race *race, char **origin) {
  return tt_sources_origin(in, "sample",
                           json_pack("{s:f, s:I, s:o}", "temperature", race->temperature, "count",
                                     (json_int_t)race->count, "seed",
                                     json_sprintf("%llu", (unsigned long long)race->seed)),
                           origin);
}

tt_status tt_store_sample(const tt_comm *comm, const tt_derive_options *options, const tt_race *race,
                          tt_derive_summary *summary) {
  *summary = (tt_derive_summary){0};
  tt_sources in;
  char *origin = NULL;
  sample_job s = {.comm = comm, .in = &in, .race = race, .begun = tt_now()};
  tt_status status = tt_sources_open(comm, options, &in);
  if (status == TT_OK) status = tt_comm_agree(comm, check(&in, race));
  uint64_t valid = in.records[TT_VALID];
  if (status == TT_OK) {
    s.plan = tt_rewrite_plan(race->count, valid, options->shards);
    if (in.validation && s.plan.shards[TT_VALID] == 0) s.plan.shards[TT_VALID] = 1;
    status = draw(&s, summary);
  }
  tt_key_walk_end(s.walk);
  if (status == TT_OK) status = tt_comm_agree(comm, describe(&in, race, &origin));
  if (status == TT_OK) {
    tt_rewrite r = {.comm = comm,
                    .runs = &in.runs,
                    .folder = options->folder,
                    .info = *tt_store_information(in.stores[0]),
                    .plan = s.plan,
                    .origin = origin,
                    .choose = choose,
                    .context = &s,
                    .expected = {race->count, valid},
                    .exact = true};
    status = tt_rewrite_run(&r, &summary->written);
  }
  summary->read[0] = in.records[0], summary->read[1] = valid;
  free(s.racers), free(s.orders), free(s.keys), free(origin);
  tt_sources_close(&in);
  return status;
}
