#include "derive/words.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

// ---- sorting
// --------------------------------------------------------------------------------------------------

enum { SMALL = 32 }; // below it insertion is faster

static bool less(const uint64_t *a, const uint64_t *b, int words) {
  return a[0] < b[0] || (words == 2 && a[0] == b[0] && a[1] < b[1]);
}

static void insert(uint64_t *items, size_t count, int words) {
  for (size_t k = 1; k < count; k++) {
    uint64_t item[2] = {items[k * (size_t)words], items[(k + 1) * (size_t)words - 1]};
    size_t to = k;
    for (; to && less(item, items + (to - 1) * (size_t)words, words); to--)
      memcpy(items + to * (size_t)words, items + (to - 1) * (size_t)words, (size_t)words * sizeof *items);
    memcpy(items + to * (size_t)words, item, (size_t)words * sizeof *items);
  }
}

static unsigned digit(const uint64_t *item, int level) {
  return (unsigned)(item[level / 8] >> (56 - level % 8 * 8)) & 255;
}

// Items that are equal in the digits before `level`.
static void sort_from(uint64_t *items, size_t count, int words, int level) {
  size_t width = (size_t)words, next[256], end[256] = {0};
  if (count < SMALL) {
    insert(items, count, words);
    return;
  }
  for (size_t k = 0; k < count; k++) end[digit(items + k * width, level)]++;
  for (size_t b = 0, at = 0; b < 256; b++) next[b] = at, at += end[b], end[b] = at;
  for (unsigned b = 0; b < 256; b++)
    while (next[b] < end[b]) {
      uint64_t *here = items + next[b] * width;
      unsigned home = digit(here, level);
      if (home == b) {
        next[b]++;
        continue;
      }
      uint64_t *there = items + next[home]++ * width;
      for (size_t w = 0; w < width; w++) {
        uint64_t t = here[w];
        here[w] = there[w], there[w] = t;
      }
    }
  if (level + 1 == 8 * words) return;
  for (size_t b = 0, begin = 0; b < 256; begin = end[b++])
    if (end[b] - begin > 1) sort_from(items + begin * width, end[b] - begin, words, level + 1);
}

void tt_words_sort(uint64_t *items, size_t count, int words) {
  sort_from(items, count, words, 0);
}

// ---- the n-th smallest
// ----------------------------------------------------------------------------------------

enum { BINS = 1 << 16 };

// How many values that begin with the digits of `prefix` above `shift` + 16 have each next digit.
static void count_digits(const tt_word_source *source, uint64_t prefix, int shift, uint64_t *bins) {
  uint64_t value;
  memset(bins, 0, BINS * sizeof *bins);
  source->rewind(source->context);
  while (source->next(source->context, &value))
    if (shift == 48 || value >> (shift + 16) == prefix) bins[value >> shift & (BINS - 1)]++;
}

tt_status tt_words_nth(const tt_comm *comm, const tt_word_source *source, uint64_t n, uint64_t *value,
                       uint64_t *below, uint64_t *equal) {
  uint64_t *bins;
  TT_TRY(tt_comm_agree(comm, tt_alloc(&bins, BINS, sizeof *bins, "the counts of a selection")));
  tt_status status = n ? TT_OK : tt_fail(TT_ERR_ARGUMENT, "there is no smallest value number 0");
  *value = *below = *equal = 0;
  for (int shift = 48; shift >= 0 && status == TT_OK; shift -= 16) {
    count_digits(source, *value, shift, bins);
    status = tt_comm_sum(comm, bins, BINS);
    uint64_t bin = 0;
    while (bin < BINS && *below + bins[bin] < n) *below += bins[bin++];
    if (bin == BINS)
      status = tt_fail(TT_ERR_ARGUMENT, "there are only %llu values, not %llu", (unsigned long long)*below,
                       (unsigned long long)n);
    *value = *value << 16 | bin, *equal = bin < BINS ? bins[bin] : 0;
  }
  free(bins);
  return tt_comm_agree(comm, status);
}

// ---- dealing
// --------------------------------------------------------------------------------------------------

enum { ROUND = 1 << 17 }; // items that a rank sends at a time

typedef struct {
  const tt_comm *comm;
  const tt_word_feed *feed;
  size_t words;
  uint64_t *items, *ordered; // (ROUND, words): as they come, and by rank
  int *ranks;                // (ROUND)
  size_t filled;
  int64_t *table; // (3, ranks): bytes to each, where its items go next, bytes from each
  uint64_t *arrived;
  size_t count, room; // of `arrived`, in items
} deal;

// Large tables grow by remapping their pages, and what is not filled takes none: so at most the items are
// held, once. (tt_reserve would hold the old table beside the new one.)
static tt_status reserve(deal *d, size_t count) {
  size_t items = d->room + d->room / 8, size = d->words * sizeof *d->arrived;
  if (count <= d->room) return TT_OK;
  if (items < count) items = count;
  uint64_t *larger = items <= SIZE_MAX / size ? realloc(d->arrived, items * size) : NULL;
  if (!larger)
    return tt_fail(TT_ERR_MEMORY,
                   "out of memory: the table of molecules needs %zu x %zu bytes on this rank; more ranks, on "
                   "more machines, hold less each",
                   items, size);
  d->arrived = larger, d->room = items;
  return TT_OK;
}

static tt_status prepare(deal *d, size_t expected) {
  TT_TRY(tt_alloc(&d->items, ROUND * d->words, sizeof *d->items, "items to send"));
  TT_TRY(tt_alloc(&d->ordered, ROUND * d->words, sizeof *d->items, "items to send"));
  TT_TRY(tt_alloc(&d->ranks, ROUND, sizeof *d->ranks, "items to send"));
  TT_TRY(tt_alloc(&d->table, 3 * (size_t)d->comm->size, sizeof *d->table, "tables of the ranks"));
  return reserve(d, expected + expected / 32 + 1);
}

static tt_status fill(deal *d, bool *end) {
  for (d->filled = 0; d->filled < ROUND && !*end;) {
    TT_TRY(d->feed->next(d->feed->context, d->items + d->filled * d->words, &d->ranks[d->filled], end));
    d->filled += !*end;
  }
  return TT_OK;
}

static tt_status send_round(deal *d) {
  size_t ranks = (size_t)d->comm->size, bytes = d->words * sizeof *d->items;
  int64_t *counts = d->table, *next = counts + ranks, *from = next + ranks, at = 0;
  memset(counts, 0, ranks * sizeof *counts);
  for (size_t k = 0; k < d->filled; k++) counts[d->ranks[k]] += (int64_t)bytes;
  for (size_t r = 0; r < ranks; r++) next[r] = at, at += counts[r];
  for (size_t k = 0; k < d->filled; k++) {
    memcpy((char *)d->ordered + next[d->ranks[k]], d->items + k * d->words, bytes);
    next[d->ranks[k]] += (int64_t)bytes;
  }
  void *received;
  TT_TRY(tt_comm_exchange(d->comm, d->ordered, counts, &received, from));
  size_t more = 0;
  for (size_t r = 0; r < ranks; r++) more += (size_t)from[r] / bytes;
  tt_status status = reserve(d, d->count + more);
  if (status == TT_OK && more) memcpy(d->arrived + d->count * d->words, received, more * bytes);
  if (status == TT_OK) d->count += more;
  free(received);
  return status;
}

tt_status tt_words_deal(const tt_comm *comm, const tt_word_feed *feed, int words, size_t expected,
                        uint64_t **items, size_t *count) {
  deal d = {.comm = comm, .feed = feed, .words = (size_t)words};
  tt_status status = tt_comm_agree(comm, prepare(&d, expected));
  bool end = false;
  for (uint64_t going = 1; status == TT_OK && going;) {
    status = tt_comm_agree(comm, fill(&d, &end));
    if (status == TT_OK) status = tt_comm_agree(comm, send_round(&d));
    going = !end;
    if (status == TT_OK) status = tt_comm_sum(comm, &going, 1);
  }
  free(d.items), free(d.ordered), free(d.ranks), free(d.table);
  if (status != TT_OK) free(d.arrived), d.arrived = NULL, d.count = 0;
  *items = d.arrived, *count = d.count;
  return status;
}
