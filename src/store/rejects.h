// The records of the input that a build could not use, and why: a list on each rank, one file in the end.
#ifndef TT_STORE_REJECTS_H
#define TT_STORE_REJECTS_H

#include <stddef.h>
#include <stdint.h>

#include "comm/comm.h"
#include "core/status.h"

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

// Collective. Brings all ranks' rejects to rank 0, in the order of file and number; the others' lists become
// empty.
tt_status tt_rejects_gather(const tt_comm *comm, tt_reject_list *list);

// "file 3: reason" of the first of a gathered list; "" if there is none.
void tt_rejects_first(const tt_reject_list *list, const char *const *files, char *text, size_t size);

// Counts a gathered list by kind, the most frequent first; kinds[] beyond them is zeroed.
void tt_rejects_tally(const tt_reject_list *list, tt_reject_kind kinds[TT_REJECT_KINDS]);

// Writes a gathered list: a heading, then one line a record: file, record, molecule, reason, separated by
// tabs. TT_ERR_IO.
tt_status tt_rejects_write(const tt_reject_list *list, const char *const *files, const char *path);

#endif
