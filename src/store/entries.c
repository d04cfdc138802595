#include "store/entries.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

tt_status tt_entries_add(tt_entry_list *list, uint64_t key, uint32_t file, uint64_t number,
                         const char *smiles, const float *coordinates, uint32_t atoms) {
  size_t length = strlen(smiles), xyz = 3 * (size_t)atoms * sizeof(float);
  size_t bytes = (sizeof(tt_entry) + xyz + length + 1 + 7) / 8 * 8;
  TT_TRY(tt_reserve(&list->bytes, &list->capacity, list->used + bytes, 1,
                    "the molecules found (give the build more memory, or ranks on more machines)"));
  char *at = list->bytes + list->used;
  memset(at, 0, bytes);
  tt_entry head = {key, number, file, atoms, (uint32_t)length, (uint32_t)bytes};
  memcpy(at, &head, sizeof head);
  if (xyz) memcpy(at + sizeof head, coordinates, xyz);
  memcpy(at + sizeof head + xyz, smiles, length);
  list->used += bytes, list->count++;
  return TT_OK;
}

void tt_entries_free(tt_entry_list *list) {
  free(list->bytes);
  *list = (tt_entry_list){0};
}

static const tt_entry *entry_at(const tt_entry_list *list, size_t at) {
  return (const tt_entry *)(const void *)(list->bytes + at);
}

tt_status tt_entries_share(const tt_comm *comm, const tt_shard_plan *plan, tt_entry_list *list) {
  size_t ranks = (size_t)comm->size;
  int64_t *table = NULL;
  char *ordered = NULL;
  void *received = NULL;
  tt_status status = tt_alloc(&table, 3 * ranks, sizeof *table, "tables of the ranks");
  if (status == TT_OK) status = tt_alloc(&ordered, list->used, 1, "the molecules to exchange");
  status = tt_comm_agree(comm, status);
  if (status != TT_OK) goto done;
  int64_t *count = table, *at = table + ranks, *arrived = table + 2 * ranks;
  for (size_t k = 0; k < list->used; k += entry_at(list, k)->bytes)
    count[tt_plan_shard(plan, entry_at(list, k)->key) % ranks] += entry_at(list, k)->bytes;
  for (size_t r = 1; r < ranks; r++) at[r] = at[r - 1] + count[r - 1];
  for (size_t k = 0; k < list->used; k += entry_at(list, k)->bytes) {
    const tt_entry *e = entry_at(list, k);
    int64_t *to = &at[tt_plan_shard(plan, e->key) % ranks];
    memcpy(ordered + *to, e, e->bytes);
    *to += e->bytes;
  }
  tt_entries_free(list);
  status = tt_comm_agree(comm, tt_comm_exchange(comm, ordered, count, &received, arrived));
  if (status != TT_OK) goto done;
  list->bytes = received;
  for (size_t r = 0; r < ranks; r++) list->used += (size_t)arrived[r];
  list->capacity = list->used;
  for (size_t k = 0; k < list->used; k += entry_at(list, k)->bytes) list->count++;
done:
  free(table), free(ordered);
  return status;
}

static int compare_numbers(uint64_t a, uint64_t b) {
  return (a > b) - (a < b);
}

static int compare(const void *left, const void *right, void *context) {
  const tt_entry *a, *b;
  memcpy(&a, left, sizeof a), memcpy(&b, right, sizeof b);
  const tt_shard_plan *plan = context;
  int order = compare_numbers(tt_plan_shard(plan, a->key), tt_plan_shard(plan, b->key));
  if (!order) order = compare_numbers(a->key, b->key);
  if (!order) order = strcmp(tt_entry_smiles(a), tt_entry_smiles(b));
  if (!order) order = compare_numbers(b->atoms, a->atoms);
  if (!order) order = memcmp(tt_entry_coordinates(a), tt_entry_coordinates(b), 3 * a->atoms * sizeof(float));
  if (!order) order = compare_numbers(a->file, b->file);
  return order ? order : compare_numbers(a->number, b->number);
}

tt_status tt_entries_sort(const tt_shard_plan *plan, const tt_entry_list *list, const tt_entry ***sorted) {
  TT_TRY(tt_alloc(sorted, list->count, sizeof **sorted, "the order of the molecules"));
  uint64_t n = 0;
  for (size_t k = 0; k < list->used; k += entry_at(list, k)->bytes) (*sorted)[n++] = entry_at(list, k);
  tt_shard_plan copy = *plan;
  qsort_r(*sorted, n, sizeof **sorted, compare, &copy);
  return TT_OK;
}
