#include "building/entries.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static tt_status make_room(tt_entry_list *list, size_t bytes) {
  return tt_reserve(&list->bytes, &list->capacity, list->used + bytes, 1, "the molecules found");
}

tt_status tt_entries_add(tt_entry_list *list, uint64_t key, uint32_t file, uint64_t number,
                         const char *smiles, const float *coordinates, uint32_t conformers, uint32_t atoms) {
  tt_entry head = {key, number, file, conformers, conformers ? atoms : 0, (uint32_t)strlen(smiles)};
  size_t bytes = tt_entry_bytes(&head), xyz = tt_entry_floats(&head) * sizeof(float);
  TT_TRY(make_room(list, bytes));
  char *at = list->bytes + list->used;
  memset(at + bytes - 8, 0, 8); // what follows the text
  memcpy(at, &head, sizeof head);
  if (xyz) memcpy(at + sizeof head, coordinates, xyz);
  memcpy(at + sizeof head + xyz, smiles, head.smiles_length + (size_t)1);
  list->used += bytes, list->count++;
  return TT_OK;
}

tt_status tt_entries_append(tt_entry_list *list, const tt_entry *entry) {
  size_t bytes = tt_entry_bytes(entry);
  TT_TRY(make_room(list, bytes));
  memcpy(list->bytes + list->used, entry, bytes);
  list->used += bytes, list->count++;
  return TT_OK;
}

bool tt_entry_sound(const tt_entry *e, size_t left, uint32_t files) {
  if (left < sizeof *e || e->file >= files || !e->conformers != !e->atoms) return false;
  left -= sizeof *e;
  if (e->atoms && e->conformers > left / (3 * sizeof(float)) / e->atoms) return false;
  if (e->smiles_length >= left - tt_entry_floats(e) * sizeof(float) || tt_entry_bytes(e) > left + sizeof *e)
    return false;
  const char *smiles = tt_entry_smiles(e);
  return memchr(smiles, 0, e->smiles_length + (size_t)1) == smiles + e->smiles_length;
}

void tt_entries_free(tt_entry_list *list) {
  free(list->bytes);
  *list = (tt_entry_list){0};
}

static int compare_numbers(uint64_t a, uint64_t b) {
  return (a > b) - (a < b);
}

static int compare(const void *left, const void *right, void *context) {
  const tt_entry *a, *b;
  memcpy(&a, left, sizeof a), memcpy(&b, right, sizeof b);
  const tt_shard_plan *plan = context;
  int order = (int)tt_plan_split(plan, a->key) - (int)tt_plan_split(plan, b->key);
  if (!order) order = compare_numbers(a->key, b->key);
  if (!order) order = strcmp(tt_entry_smiles(a), tt_entry_smiles(b));
  if (!order) order = compare_numbers(b->atoms, a->atoms);
  if (!order) order = compare_numbers(a->file, b->file);
  return order ? order : compare_numbers(a->number, b->number);
}

tt_status tt_entries_sort(const tt_shard_plan *plan, const tt_entry_list *list, const tt_entry ***sorted) {
  TT_TRY(tt_alloc(sorted, list->count, sizeof **sorted, "the order of the molecules"));
  uint64_t n = 0;
  for (size_t k = 0; k < list->used; k += tt_entry_bytes(tt_entry_at(list, k)))
    (*sorted)[n++] = tt_entry_at(list, k);
  tt_shard_plan copy = *plan;
  qsort_r(*sorted, n, sizeof **sorted, compare, &copy);
  return TT_OK;
}

bool tt_entries_same_molecule(const tt_entry *a, const tt_entry *b) {
  return a->key == b->key && strcmp(tt_entry_smiles(a), tt_entry_smiles(b)) == 0;
}
