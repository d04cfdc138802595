#include "plan/molecules.h"

#include <stdio.h>
#include <stdlib.h>

#include "batch/outlook.h"
#include "core/memory.h"
#include "core/philox.h"

enum { SEED = 20240614 };

// Molecules by heavy atoms, and what their records hold on average.
typedef struct {
  uint64_t bin[TT_LENGTH_BINS]; // as in the store's manifest
  int shortest, longest;
  double bonds;              // an atom
  double conformers, smiles; // a molecule
  bool flat;
} histogram;

// What the paper's 838 million conformations look like is not published. Assumed are drug-like molecules of
// 28 heavy atoms on average, per mille.
static const histogram assumed = {.bin = {5, 40, 237, 431, 215, 50, 17, 5},
                                  .shortest = 1,
                                  .longest = 63,
                                  .bonds = 1.08,
                                  .conformers = 1,
                                  .smiles = 48};

static histogram of_store(const tt_store *store) {
  histogram h = {.flat = tt_store_information(store)->coordinates_2d};
  uint64_t records = 0, atoms = 0, bonds = 0, conformers = 0, smiles = 0;
  for (uint32_t k = 0; k < tt_store_shards(store); k++) {
    const tt_shard_entry *e = tt_store_shard(store, k);
    if (e->split != TT_TRAIN || !e->records) continue;
    for (int b = 0; b < TT_LENGTH_BINS; b++) h.bin[b] += e->lengths[b];
    if (!records || (int)e->shortest < h.shortest) h.shortest = (int)e->shortest;
    if ((int)e->longest > h.longest) h.longest = (int)e->longest;
    records += e->records, atoms += e->atoms, bonds += e->bonds;
    conformers += e->conformers, smiles += e->smiles_bytes;
  }
  if (records) {
    h.bonds = (double)bonds / (double)atoms;
    h.conformers = (double)conformers / (double)records, h.smiles = (double)smiles / (double)records;
  }
  return h;
}

static uint64_t total(const histogram *h) {
  uint64_t sum = 0;
  for (int b = 0; b < TT_LENGTH_BINS; b++) sum += h->bin[b];
  return sum;
}

// A bin by its share, then any length in it with the same probability.
static int draw(const histogram *h, uint64_t all, uint64_t number) {
  tt_philox4 r = tt_philox(SEED, (uint32_t)number, (uint32_t)(number >> 32), 0, 0);
  double at = tt_uniform(r.v[0]) * (double)all;
  int b = 0;
  for (; b + 1 < TT_LENGTH_BINS && at >= (double)h->bin[b]; b++) at -= (double)h->bin[b];
  int first = b * TT_LENGTH_BIN, last = b + 1 < TT_LENGTH_BINS ? first + TT_LENGTH_BIN - 1 : h->longest;
  if (first < h->shortest) first = h->shortest;
  if (last > h->longest) last = h->longest;
  return last <= first ? first : first + (int)(tt_uniform(r.v[1]) * (last - first + 1));
}

static int64_t record_bytes(const histogram *h, int atoms) {
  tt_molecule m = {.atoms = (uint32_t)atoms,
                   .bonds = (uint32_t)(h->bonds * atoms + 0.5),
                   .conformers = (uint32_t)(h->conformers + 0.5),
                   .smiles = "",
                   .smiles_length = (uint32_t)(h->smiles + 0.5),
                   .coordinates_2d = h->flat ? &(float){0} : NULL};
  return tt_outlook_bytes(&m);
}

static tt_status allocate(tt_molecules *m, const tt_config *config, uint64_t first, int batches) {
  *m = (tt_molecules){.batches = batches, .size = config->train.batch_size, .first = first};
  size_t n = (size_t)batches * (size_t)m->size;
  TT_TRY(tt_alloc(&m->atoms, n, sizeof *m->atoms, "the plan's molecules"));
  return tt_alloc(&m->bytes, n, sizeof *m->bytes, "the plan's molecules");
}

tt_status tt_molecules_draw(tt_molecules *m, const tt_config *config, const tt_store *store, int batches) {
  histogram h = store ? of_store(store) : assumed;
  uint64_t all = total(&h);
  TT_TRY(allocate(m, config, 0, batches));
  if (!all) return tt_fail(TT_ERR_DATA, "store %s has no molecules to train on", tt_store_folder(store));
  for (int i = 0; i < batches * m->size; i++) {
    m->atoms[i] = draw(&h, all, (uint64_t)i);
    m->bytes[i] = record_bytes(&h, m->atoms[i]);
    if (m->atoms[i] > m->longest) m->longest = m->atoms[i];
  }
  if (store) m->longest = h.longest;
  if (store)
    snprintf(m->source, sizeof m->source, "%d batches drawn from the lengths of the store's molecules",
             batches);
  else
    snprintf(m->source, sizeof m->source,
             "%d batches drawn from lengths that are assumed: drug-like, 28 heavy atoms on average", batches);
  return TT_OK;
}

tt_status tt_molecules_read(tt_molecules *m, const tt_config *config, tt_store *store, int64_t first_update,
                            int batches) {
  TT_TRY(allocate(m, config, (uint64_t)first_update * (uint64_t)config->train.batch_size, batches));
  TT_TRY(tt_outlook(store, config, m->first, batches * m->size, m->atoms, m->bytes));
  m->longest = of_store(store).longest;
  snprintf(m->source, sizeof m->source, "the store's molecules of updates %lld to %lld of the run",
           (long long)first_update + 1, (long long)first_update + batches);
  return TT_OK;
}

void tt_molecules_free(tt_molecules *m) {
  free(m->atoms);
  free(m->bytes);
  *m = (tt_molecules){0};
}

tt_molecule_sums tt_molecules_sum(const tt_molecules *m) {
  tt_molecule_sums sum = {0};
  for (int i = 0; i < m->batches * m->size; i++) {
    int64_t length = (int64_t)m->atoms[i] + 1;
    sum.atoms += length - 1, sum.tokens += length, sum.pairs += length * length;
  }
  return sum;
}
