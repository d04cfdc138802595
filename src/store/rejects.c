#include "store/rejects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"

// Followed by name and reason, each with a terminating 0.
typedef struct {
  uint64_t number;
  uint32_t file, bytes; // bytes: of all of it, a multiple of 8
} row;

static const row *row_at(const tt_reject_list *list, size_t at) {
  return (const row *)(const void *)(list->bytes + at);
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

tt_status tt_rejects_add(tt_reject_list *list, uint32_t file, uint64_t number, const char *name,
                         size_t name_length, const char *reason) {
  size_t reason_length = strlen(reason);
  while (reason_length && (unsigned char)reason[reason_length - 1] <= ' ') reason_length--;
  size_t bytes = (sizeof(row) + name_length + 1 + reason_length + 1 + 7) / 8 * 8;
  TT_TRY(tt_reserve(&list->bytes, &list->capacity, list->used + bytes, 1, "the list of rejected records"));
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

static int compare(const void *left, const void *right) {
  const row *a, *b;
  memcpy(&a, left, sizeof a), memcpy(&b, right, sizeof b);
  if (a->file != b->file) return a->file < b->file ? -1 : 1;
  return (a->number > b->number) - (a->number < b->number);
}

static tt_status sort(tt_reject_list *list) {
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

tt_status tt_rejects_gather(const tt_comm *comm, tt_reject_list *list) {
  int64_t *table = NULL;
  void *received = NULL;
  size_t ranks = (size_t)comm->size;
  tt_status status = tt_comm_agree(comm, tt_alloc(&table, 2 * ranks, sizeof *table, "tables of the ranks"));
  if (status == TT_OK) {
    table[0] = (int64_t)list->used;
    status = tt_comm_agree(comm, tt_comm_exchange(comm, list->bytes, table, &received, table + ranks));
  }
  if (status == TT_OK) {
    tt_rejects_free(list);
    list->bytes = received;
    for (size_t r = 0; r < ranks; r++) list->used += (size_t)table[ranks + r];
    list->capacity = list->used;
    for (size_t k = 0; k < list->used; k += row_at(list, k)->bytes) list->count++;
    status = tt_comm_agree(comm, sort(list));
  }
  free(table);
  return status;
}

void tt_rejects_first(const tt_reject_list *list, const char *const *files, char *text, size_t size) {
  text[0] = 0;
  if (!list->used) return;
  const row *r = row_at(list, 0);
  snprintf(text, size, "%s %llu: %s", files[r->file], (unsigned long long)r->number, reason_of(r));
}

static int more_frequent(const void *left, const void *right) {
  const tt_reject_kind *a = left, *b = right;
  if (a->count != b->count) return a->count > b->count ? -1 : 1;
  return strcmp(a->kind, b->kind);
}

void tt_rejects_tally(const tt_reject_list *list, tt_reject_kind kinds[TT_REJECT_KINDS]) {
  memset(kinds, 0, TT_REJECT_KINDS * sizeof *kinds);
  for (size_t at = 0; at < list->used; at += row_at(list, at)->bytes) {
    const char *reason = reason_of(row_at(list, at));
    char kind[sizeof kinds->kind];
    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(reason, ":"), reason);
    int k = 0;
    while (k < TT_REJECT_KINDS - 1 && kinds[k].count && strcmp(kinds[k].kind, kind) != 0) k++;
    if (!kinds[k].count) memcpy(kinds[k].kind, kind, sizeof kind);
    kinds[k].count++;
  }
  qsort(kinds, TT_REJECT_KINDS, sizeof *kinds, more_frequent);
}

tt_status tt_rejects_write(const tt_reject_list *list, const char *const *files, const char *path) {
  char *text = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream(&text, &bytes);
  if (!out) return tt_fail(TT_ERR_MEMORY, "out of memory: %s", path);
  fprintf(out, "file\trecord\tmolecule\treason\n");
  for (size_t at = 0; at < list->used; at += row_at(list, at)->bytes) {
    const row *r = row_at(list, at);
    fprintf(out, "%s\t%llu\t%s\t%s\n", files[r->file], (unsigned long long)r->number, name_of(r),
            reason_of(r));
  }
  int failed = fclose(out);
  tt_status status =
      failed ? tt_fail(TT_ERR_MEMORY, "out of memory: %s", path) : tt_file_replace(path, text, bytes);
  free(text);
  return status;
}
