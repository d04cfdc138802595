// make_key_store FOLDER FROM TO [VALID [KIND [SHARDS]]]: a store in the order of the keys, as a build makes
// it, of the made-up molecules number FROM ... TO - 1; every VALID-th is for validation (0: none). KIND:
// "other" gives them other coordinates but for their first conformer; "twins" gives odd numbers the key of
// the number before; "doubles" makes them the very same; "crowd" gives number 0 the conformers 0 ... 39,999,
// "throng" the conformers 20,000 ... 69,999; "hydrogens" and "seeded" say so in the store. SHARDS of the
// training split.
#include "core/file.h"
#include "store/plan.h"
#include "synthetic.h"

typedef struct {
  tt_molecule molecule;
  tt_split split;
} item;

static int compare(const void *left, const void *right) {
  const item *a = left, *b = right;
  if (a->split != b->split) return a->split < b->split ? -1 : 1;
  if (a->molecule.key != b->molecule.key) return a->molecule.key < b->molecule.key ? -1 : 1;
  return strcmp(a->molecule.smiles, b->molecule.smiles);
}

// Half of the molecules are of scaffold 0, a quarter of the next one, and so on up to 12 scaffolds.
static uint64_t scaffold_of(uint64_t number) {
  uint64_t bits = tt_mix64(number) | 1 << 11, zeros = 0;
  while (!(bits >> zeros & 1)) zeros++;
  return zeros ? tt_mix64(zeros) : 0;
}

// A molecule of one atom with many conformers, each at a place of its own.
static void crowd(tt_molecule *m, uint32_t first, uint32_t end) {
  float *xyz = synthetic_alloc((end - first) * 12);
  for (uint32_t c = first; c < end; c++) xyz[3 * (c - first)] = (float)c;
  free((void *)(uintptr_t)m->coordinates);
  m->coordinates = xyz, m->conformers = end - first;
}

static item make(uint64_t number, uint64_t valid, const char *kind) {
  enum { SEED = 7 };
  if (strcmp(kind, "doubles") == 0) number = number / 2 * 2;
  item it = {synthetic_molecule(SEED, number, false), TT_TRAIN};
  tt_molecule *m = &it.molecule;
  m->scaffold = scaffold_of(number);
  m->smiles_length = (uint32_t)strlen(m->smiles); // none is empty
  if (strcmp(kind, "twins") == 0 && number % 2) {
    tt_molecule before = synthetic_molecule(SEED, number - 1, false);
    m->key = before.key;
    synthetic_release(&before);
  }
  if (strcmp(kind, "other") == 0)
    for (uint32_t k = m->atoms * 3; k < m->conformers * m->atoms * 3; k++)
      ((float *)(uintptr_t)m->coordinates)[k] += 1;
  if (number == 0 && strcmp(kind, "crowd") == 0) crowd(m, 0, 40000);
  if (number == 0 && strcmp(kind, "throng") == 0) crowd(m, 20000, 70000);
  if (valid && number % valid == 0) it.split = TT_VALID;
  return it;
}

static tt_status write_store(const char *folder, const tt_store_info *info, const tt_shard_plan *plan,
                             const item *items, uint64_t count) {
  tt_shard_entry *entries = synthetic_alloc(tt_plan_shards(plan) * sizeof *entries);
  tt_molecule *shard = synthetic_alloc(count * sizeof *shard);
  uint64_t next = 0;
  tt_status status = TT_OK;
  for (uint32_t s = 0; status == TT_OK && s < tt_plan_shards(plan); s++) {
    uint64_t n = 0;
    for (; next < count && tt_plan_shard_in(plan, items[next].split, items[next].molecule.key) == s; next++)
      shard[n++] = items[next].molecule;
    status = tt_shard_write(folder, s, tt_plan_split_of(plan, s), info, shard, n, &entries[s]);
  }
  if (status == TT_OK) status = tt_manifest_write(folder, info, entries, tt_plan_shards(plan));
  free(entries), free(shard);
  return status;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  uint64_t from = strtoull(argv[2], NULL, 10), to = strtoull(argv[3], NULL, 10), count = to - from;
  uint64_t valid = argc > 4 ? strtoull(argv[4], NULL, 10) : 0, validation = 0;
  const char *kind = argc > 5 ? argv[5] : "";
  item *items = synthetic_alloc(count * sizeof *items);
  for (uint64_t k = 0; k < count; k++) items[k] = make(from + k, valid, kind), validation += items[k].split;
  qsort(items, count, sizeof *items, compare);
  tt_store_info info = {.hydrogens = strcmp(kind, "hydrogens") == 0,
                        .seed = strcmp(kind, "seeded") == 0 ? 8 : 7};
  snprintf(info.toolkit, sizeof info.toolkit, "made up");
  snprintf(info.recipe, sizeof info.recipe, "random graphs for tests");
  tt_shard_plan plan = tt_shard_plan_make(count, (double)validation / (double)count,
                                          argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10) : 0);
  tt_status status = tt_make_directories(argv[1]);
  if (status == TT_OK) status = write_store(argv[1], &info, &plan, items, count);
  if (status != TT_OK) fprintf(stderr, "make_key_store: %s\n", tt_error_message());
  for (uint64_t k = 0; k < count; k++) synthetic_release(&items[k].molecule);
  free(items);
  return status != TT_OK;
}
