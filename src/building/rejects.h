// The records of the input that a build could not use, and why.
#ifndef TT_BUILDING_REJECTS_H
#define TT_BUILDING_REJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

// No pointers between rows: the bytes of a list go to files and come back.
typedef struct {
  char *bytes;
  size_t used, capacity;
  uint64_t count;
} tt_reject_list;

// How many records were refused for one kind of reason ("parse", "embedding", ...).
typedef struct {
  char kind[32];
  uint64_t count;
} tt_reject_kind;

enum { TT_REJECT_KINDS = 16 }; // the last one takes what does not fit

// reason: "kind: detail". Tabs and other control characters in the texts become '?'.
tt_status tt_rejects_add(tt_reject_list *list, uint32_t file, uint64_t number, const char *name,
                         size_t name_length, const char *reason);
void tt_rejects_free(tt_reject_list *list);

// Whether bytes from a file are a list of `count` records of `files` files.
bool tt_rejects_sound(const char *bytes, size_t used, uint64_t count, uint32_t files);

// A place in the order of file and record.
typedef struct {
  uint32_t file;
  uint64_t number;
} tt_reject_place;

// Adds those of `from` that lie after `after` (NULL: from the start) and before *end, and keeps the list
// within about `bound` bytes: it then drops the last ones and moves *end to the first one dropped. So a file
// of any length is put in order piece by piece. At first *end is TT_REJECTS_END.
tt_status tt_rejects_take(tt_reject_list *list, const tt_reject_list *from, const tt_reject_place *after,
                          tt_reject_place *end, size_t bound);
#define TT_REJECTS_END ((tt_reject_place){UINT32_MAX, UINT64_MAX})

// By file and number.
tt_status tt_rejects_sort(tt_reject_list *list);

tt_reject_place tt_rejects_last(const tt_reject_list *list); // of a sorted list that is not empty

// "file 3: reason" of the first of a sorted list; "" if there is none.
void tt_rejects_first(const tt_reject_list *list, const char *const *files, char *text, size_t size);

// Adds the list to the counts by kind, which start from zeroes; then, once, the most frequent first.
void tt_rejects_tally(const tt_reject_list *list, tt_reject_kind kinds[TT_REJECT_KINDS]);
void tt_rejects_rank(tt_reject_kind kinds[TT_REJECT_KINDS]);

// A line a record: file, record, molecule, reason, separated by tabs. The first call has a heading in front.
void tt_rejects_print(FILE *out, const tt_reject_list *list, const char *const *files, bool heading);

#endif
