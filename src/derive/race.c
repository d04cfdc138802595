#include "derive/race.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/philox.h"
#include "derive/words.h"

enum { USE_ORDER = 1, USE_ARRIVAL = 2 }; // of the seed

static uint64_t order_mask(uint64_t seed) {
  return tt_stream(seed, USE_ORDER, 0x73616d706c65);
}

uint64_t tt_race_order(uint64_t key, uint64_t seed) {
  return tt_mix64(key ^ order_mask(seed));
}

uint64_t tt_race_key(uint64_t order, uint64_t seed) {
  return tt_unmix64(order) ^ order_mask(seed);
}

int tt_race_rank(const tt_comm *comm, uint64_t scaffold) {
  return (int)(tt_mix64(scaffold) % (uint64_t)comm->size);
}

// ---- arrivals
// -------------------------------------------------------------------------------------------------

typedef struct {
  const tt_race *race;
  const tt_racer *racers;
  size_t count;
  uint64_t all;      // racers of all ranks
  size_t at, end;    // the next racer, and the end of its scaffold
  uint64_t key;      // of the scaffold's random numbers
  uint64_t number;   // of the next racer in its scaffold
  double sum, share; // of the exponential steps so far; P_i / T
} walk;

static void rewind_walk(void *context) {
  walk *w = context;
  w->at = w->end = 0;
}

static void enter_scaffold(walk *w) {
  uint64_t scaffold = w->racers[w->at].scaffold;
  while (w->end < w->count && w->racers[w->end].scaffold == scaffold) w->end++;
  w->share = (double)(w->end - w->at) / (double)w->all / w->race->temperature;
  w->key = tt_stream(w->race->seed, USE_ARRIVAL, scaffold);
  w->number = 0, w->sum = 0;
}

// Order-preserving bits of a number.
static uint64_t sortable(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits >> 63 ? ~bits : bits | 1ull << 63;
}

// The arrival of racer w->at++.
static bool next_arrival(void *context, uint64_t *value) {
  walk *w = context;
  if (w->at == w->count) return false;
  if (w->at == w->end) enter_scaffold(w);
  tt_philox4 r = tt_philox(w->key, (uint32_t)w->number, (uint32_t)(w->number >> 32), 0, 0);
  uint64_t bits = ((uint64_t)r.v[0] << 32 | r.v[1]) >> 11;
  w->sum -= log(((double)bits + 0.5) * 0x1p-53); // of (0, 1): never 0, never infinite
  w->number++, w->at++;
  *value = sortable(log(w->sum) - w->share);
  return true;
}

// ---- racers that arrive at the very same time, by their order
// -------------------------------------------------

typedef struct {
  walk walk;
  uint64_t time;
} tie_walk;

static void rewind_ties(void *context) {
  rewind_walk(&((tie_walk *)context)->walk);
}

static bool next_tie(void *context, uint64_t *value) {
  tie_walk *t = context;
  uint64_t time;
  while (next_arrival(&t->walk, &time))
    if (time == t->time) {
      *value = t->walk.racers[t->walk.at - 1].order;
      return true;
    }
  return false;
}

// ---- counts
// ---------------------------------------------------------------------------------------------------

static void count_scaffold(tt_scaffold_counts *c, uint64_t scaffold, uint64_t molecules) {
  if (!molecules) return;
  c->molecules += molecules, c->scaffolds++, c->squares += molecules * molecules;
  if (scaffold == 0) c->acyclic += molecules;
  int k = TT_RACE_LARGEST;
  while (k && (molecules > c->largest[k - 1].molecules ||
               (molecules == c->largest[k - 1].molecules && scaffold < c->largest[k - 1].scaffold))) {
    if (k < TT_RACE_LARGEST) c->largest[k] = c->largest[k - 1];
    k--;
  }
  if (k < TT_RACE_LARGEST) c->largest[k].scaffold = scaffold, c->largest[k].molecules = molecules;
}

// No scaffold is on two ranks.
static tt_status add_up(const tt_comm *comm, tt_scaffold_counts *c) {
  tt_scaffold_counts *all, sum = {0};
  TT_TRY(tt_comm_agree(comm, tt_alloc(&all, (size_t)comm->size, sizeof *all, "the counts of the scaffolds")));
  tt_status status = tt_comm_agree(comm, tt_comm_gather_all(comm, c, all, 1, sizeof *all));
  for (int r = 0; status == TT_OK && r < comm->size; r++) {
    for (int k = 0; k < TT_RACE_LARGEST; k++)
      count_scaffold(&sum, all[r].largest[k].scaffold, all[r].largest[k].molecules);
  }
  sum.molecules = sum.scaffolds = sum.acyclic = sum.squares = 0;
  for (int r = 0; status == TT_OK && r < comm->size; r++) {
    sum.molecules += all[r].molecules, sum.scaffolds += all[r].scaffolds;
    sum.acyclic += all[r].acyclic, sum.squares += all[r].squares;
  }
  *c = sum;
  free(all);
  return status;
}

// ---- the race
// -------------------------------------------------------------------------------------------------

static tt_status count_all(const tt_comm *comm, const tt_racer *racers, size_t count, tt_scaffold_counts *c) {
  for (size_t first = 0, end; first < count; first = end) {
    for (end = first; end < count && racers[end].scaffold == racers[first].scaffold;) end++;
    count_scaffold(c, racers[first].scaffold, end - first);
  }
  return add_up(comm, c);
}

tt_status tt_race_run(const tt_comm *comm, const tt_race *race, tt_racer *racers, size_t count, size_t *taken,
                      tt_scaffold_counts *before, tt_scaffold_counts *after) {
  *taken = 0, *before = *after = (tt_scaffold_counts){0};
  TT_TRY(count_all(comm, racers, count, before));
  if (race->count == 0) return TT_OK;
  tie_walk t = {.walk = {.race = race, .racers = racers, .count = count, .all = before->molecules}};
  tt_word_source arrivals = {rewind_walk, next_arrival, &t.walk}, ties = {rewind_ties, next_tie, &t};
  uint64_t below, equal, order = UINT64_MAX, rest;
  TT_TRY(tt_words_nth(comm, &arrivals, race->count, &t.time, &below, &equal));
  if (below + equal > race->count)
    TT_TRY(tt_words_nth(comm, &ties, race->count - below, &order, &rest, &equal));

  // a scaffold's arrivals ascend, and equal ones are in the order that decides: a prefix of each is taken
  uint64_t time, of_scaffold = 0;
  rewind_walk(&t.walk);
  for (size_t k = 0; next_arrival(&t.walk, &time); k++) {
    tt_racer racer = racers[k];
    if (time < t.time || (time == t.time && racer.order <= order)) racers[(*taken)++] = racer, of_scaffold++;
    if (t.walk.at == t.walk.end) count_scaffold(after, racer.scaffold, of_scaffold), of_scaffold = 0;
  }
  return add_up(comm, after);
}
