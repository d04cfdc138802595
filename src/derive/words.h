// Large tables of 64-bit words: sorting in place, the n-th smallest of values that are spread over the ranks,
// and sending each item to the rank that it belongs to.
#ifndef TT_DERIVE_WORDS_H
#define TT_DERIVE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "comm/comm.h"
#include "core/status.h"

// Sorts `count` items of `words` words each (1 or 2), the first word deciding before the second, in ascending
// order. In place: tables may fill most of the memory. (McIlroy, Bostic, McIlroy, "Engineering Radix Sort",
// 1993: American flag sort.)
void tt_words_sort(uint64_t *items, size_t count, int words);

// Values that can be gone through several times.
typedef struct {
  void (*rewind)(void *context);
  bool (*next)(void *context, uint64_t *value); // false: there are no more
  void *context;
} tt_word_source;

// Collective. *value is the n-th smallest (from 1) of all ranks' values together, *below how many are smaller
// than it, *equal how many are it. Goes through the values four times; half a megabyte of memory.
// TT_ERR_ARGUMENT (n is 0 or more than there are), TT_ERR_MEMORY.
tt_status tt_words_nth(const tt_comm *comm, const tt_word_source *source, uint64_t n, uint64_t *value,
                       uint64_t *below, uint64_t *equal);

// Items to send to other ranks, one after the other.
typedef struct {
  // The next item and the rank that it goes to; *end: there are no more.
  tt_status (*next)(void *context, uint64_t *item, int *rank, bool *end);
  void *context;
} tt_word_feed;

// Collective. Sends each rank its items of `words` words; *items (free() it) are this rank's, *count of them,
// in no order that means anything. They go in rounds of a few MiB; `expected` is how many items are likely to
// arrive. A failure on one rank, also of feed->next, ends it on all.
tt_status tt_words_deal(const tt_comm *comm, const tt_word_feed *feed, int words, size_t expected,
                        uint64_t **items, size_t *count);

#endif
