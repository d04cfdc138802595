#include "building/rejects.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

// Followed by name and reason, each with a terminating 0.
typedef struct {
  uint64_t number;
  uint32_t file, bytes; // bytes: of all of it, a multiple of 8
} row;

static const row *row_in(const char *bytes, size_t at) {
  return (const row *)(const void *)(bytes + at);
}

static const row *row_at(const tt_reject_list *list, size_t at) {
  return row_in(list->bytes, at);
}

static const char *name_of(const row *r) {
  return (const char *)(r + 1);
}

static const char *reason_of(const row *r) {
  return name_of(r) + strlen(name_of(r)) + 1;
}

static void copy_clean(char *to, const char *from, size_t length) {
  for (size_t k = 0; k < length; k++) to[k] = (unsigned char)from[k] < ' ' || from[k] == 127 ? '?' : from[k];
}

static tt_status make_room(tt_reject_list *list, size_t bytes) {
  return tt_reserve(&list->bytes, &list->capacity, list->used + bytes, 1, "the list of rejected records");
}

tt_status tt_rejects_add(tt_reject_list *list, uint32_t file, uint64_t number, const char *name,
                         size_t name_length, const char *reason) {
  size_t reason_length = strlen(reason);
  while (reason_length && (unsigned char)reason[reason_length - 1] <= ' ') reason_length--;
  size_t bytes = (sizeof(row) + name_length + 1 + reason_length + 1 + 7) / 8 * 8;
  TT_TRY(make_room(list, bytes));
  char *at = list->bytes + list->used;
  memset(at, 0, bytes);
  row head = {number, file, (uint32_t)bytes};
  memcpy(at, &head, sizeof head);
  copy_clean(at + sizeof head, name, name_length);
  copy_clean(at + sizeof head + name_length + 1, reason, reason_length);
  list->used += bytes, list->count++;
  return TT_OK;
}

void tt_rejects_free(tt_reject_list *list) {
  free(list->bytes);
  *list = (tt_reject_list){0};
}

bool tt_rejects_sound(const char *bytes, size_t used, uint64_t count, uint32_t files) {
  size_t at = 0;
  for (; at < used && count; count--) {
    if (used - at < sizeof(row)) return false;
    const row *r = row_in(bytes, at);
    if (r->file >= files || r->bytes < sizeof *r + 2 || r->bytes % 8 || r->bytes > used - at) return false;
    const char *end = bytes + at + r->bytes, *name_end = memchr(name_of(r), 0, (size_t)(end - name_of(r)));
    if (!name_end || !memchr(name_end + 1, 0, (size_t)(end - name_end - 1))) return false;
    at += r->bytes;
  }
  return at == used && count == 0;
}

static int compare_places(tt_reject_place a, tt_reject_place b) {
  if (a.file != b.file) return a.file < b.file ? -1 : 1;
  return (a.number > b.number) - (a.number < b.number);
}

static tt_reject_place place_of(const row *r) {
  return (tt_reject_place){r->file, r->number};
}

static int compare(const void *left, const void *right) {
  const row *a, *b;
  memcpy(&a, left, sizeof a), memcpy(&b, right, sizeof b);
  return compare_places(place_of(a), place_of(b));
}

tt_status tt_rejects_sort(tt_reject_list *list) {
  const row **rows = NULL;
  char *sorted = NULL;
  tt_status status = tt_alloc(&rows, list->count, sizeof *rows, "the list of rejected records");
  if (status == TT_OK) status = tt_alloc(&sorted, list->used, 1, "the list of rejected records");
  if (status == TT_OK) {
    size_t n = 0, at = 0;
    for (size_t k = 0; k < list->used; k += row_at(list, k)->bytes) rows[n++] = row_at(list, k);
    qsort(rows, n, sizeof *rows, compare);
    for (size_t k = 0; k < n; at += rows[k++]->bytes) memcpy(sorted + at, rows[k], rows[k]->bytes);
    free(list->bytes);
    list->bytes = sorted, list->capacity = list->used;
  }
  free(rows);
  return status;
}

// Keeps the first half, in their order.
static tt_status halve(tt_reject_list *list, tt_reject_place *end) {
  TT_TRY(tt_rejects_sort(list));
  size_t at = 0;
  uint64_t kept = 0;
  while (kept == 0 || (at < list->used / 2 && kept + 1 < list->count)) at += row_at(list, at)->bytes, kept++;
  if (at < list->used) *end = place_of(row_at(list, at));
  list->used = at, list->count = kept;
  return TT_OK;
}

tt_status tt_rejects_take(tt_reject_list *list, const tt_reject_list *from, const tt_reject_place *after,
                          tt_reject_place *end, size_t bound) {
  for (size_t k = 0; k < from->used; k += row_at(from, k)->bytes) {
    const row *r = row_at(from, k);
    if ((after && compare_places(place_of(r), *after) <= 0) || compare_places(place_of(r), *end) >= 0)
      continue;
    TT_TRY(make_room(list, r->bytes));
    memcpy(list->bytes + list->used, r, r->bytes);
    list->used += r->bytes, list->count++;
    if (list->used > bound) TT_TRY(halve(list, end));
  }
  return TT_OK;
}

tt_reject_place tt_rejects_last(const tt_reject_list *list) {
  size_t last = 0;
  for (size_t k = 0; k < list->used; k += row_at(list, k)->bytes) last = k;
  return place_of(row_at(list, last));
}

void tt_rejects_first(const tt_reject_list *list, const char *const *files, char *text, size_t size) {
  text[0] = 0;
  if (!list->used) return;
  const row *r = row_at(list, 0);
  snprintf(text, size, "%s %llu: %s", files[r->file], (unsigned long long)r->number, reason_of(r));
}

void tt_rejects_tally(const tt_reject_list *list, tt_reject_kind kinds[TT_REJECT_KINDS]) {
  for (size_t at = 0; at < list->used; at += row_at(list, at)->bytes) {
    const char *reason = reason_of(row_at(list, at));
    char kind[sizeof kinds->kind];
    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(reason, ":"), reason);
    int k = 0;
    while (k < TT_REJECT_KINDS - 1 && kinds[k].count && strcmp(kinds[k].kind, kind) != 0) k++;
    if (!kinds[k].count) memcpy(kinds[k].kind, kind, sizeof kind);
    kinds[k].count++;
  }
}

static int more_frequent(const void *left, const void *right) {
  const tt_reject_kind *a = left, *b = right;
  if (a->count != b->count) return a->count > b->count ? -1 : 1;
  return strcmp(a->kind, b->kind);
}

void tt_rejects_rank(tt_reject_kind kinds[TT_REJECT_KINDS]) {
  qsort(kinds, TT_REJECT_KINDS, sizeof *kinds, more_frequent);
}

void tt_rejects_print(FILE *out, const tt_reject_list *list, const char *const *files, bool heading) {
  if (heading) fprintf(out, "file\trecord\tmolecule\treason\n");
  for (size_t at = 0; at < list->used; at += row_at(list, at)->bytes) {
    const row *r = row_at(list, at);
    fprintf(out, "%s\t%llu\t%s\t%s\n", files[r->file], (unsigned long long)r->number, name_of(r),
            reason_of(r));
  }
}
