#include "plan/load.h"

#include <stdlib.h>
#include <string.h>

#include "batch/assemble.h"
#include "batch/outlook.h"
#include "core/memory.h"
#include "model/flops.h"
#include "train/leaf.h"

typedef struct {
  const tt_config *config;
  const tt_layout *layout;
  const tt_molecules *molecules;
  tt_load *load;
  tt_global_batch batch; // the one in hand: only sizes and leaves
  tt_leaf leaf;
  int64_t *cost;       // (size) what the batch is dealt by
  double *work, *wait; // (ranks) operations that a rank does; those until its group is done
  int64_t *pieces;     // (ranks)
} dealer;

// ---- operations
// ------------------------------------------------------------------------------------------------

// Forward operations on a molecule of what a tensor group splits by heads and columns (model/flops.c).
static double split_flops(const tt_model_config *c, int atoms) {
  double S = atoms + 1.0, D = c->embed_dim, F = c->ffn_dim;
  return c->layers * (8 * S * D * D + 4 * S * S * D + 4 * S * D * F) + 6 * atoms * D * D;
}

// What training on a molecule takes of the rest. train.recompute = "pair" computes about as much as that
// rest's forward once more.
static double own_flops(const dealer *d, int atoms) {
  const tt_model_config *c = &d->config->model;
  double all = tt_flops_executed(c, atoms, d->config->data.mask_probability * atoms);
  return (all - split_flops(c, atoms)) * (d->config->train.recompute == TT_RECOMPUTE_PAIR ? 4 : 3);
}

// ---- one piece of a tensor group
// -------------------------------------------------------------------------------

static void grow(int64_t *most, int64_t value) {
  if (value > *most) *most = value;
}

typedef struct {
  tt_piece_sizes size;
  double own, shared; // operations of the rank alone; of what the group does together
} share;

static share share_of(const dealer *d, const int32_t *molecule, int count) {
  share s = {0};
  for (int i = 0; i < count; i++) {
    int atoms = d->batch.atoms[molecule[i]];
    int64_t length = (int64_t)atoms + 1;
    s.size.tokens += length, s.size.pairs += length * length,
        s.size.atom_pairs += (length - 1) * (length - 1);
    if (length > s.size.max_length) s.size.max_length = (int)length;
    s.own += own_flops(d, atoms);
    s.shared += 3 * split_flops(&d->config->model, atoms);
  }
  return s;
}

static void keep_largest(tt_piece_sizes *largest, const tt_piece_sizes *s) {
  grow(&largest->tokens, s->tokens);
  grow(&largest->pairs, s->pairs);
  grow(&largest->atom_pairs, s->atom_pairs);
  if (s->max_length > largest->max_length) largest->max_length = s->max_length;
}

// The ranks of a group, of world ranks first ..., run a piece in step.
static void run_piece(dealer *d, int first, int piece) {
  const int tensor = d->layout->tensor;
  tt_piece_sizes all = {0};
  double shared = 0, slowest = 0;
  for (int t = 0; t < tensor; t++) {
    int begin = tt_leaf_piece(&d->leaf, piece, t), count = d->leaf.molecules[t];
    tt_rank_load *r = &d->load->rank[first + t];
    share s = share_of(d, d->leaf.together + begin, count);
    keep_largest(&d->load->largest, &s.size);
    r->molecules += count, r->tokens += s.size.tokens, r->pairs += s.size.pairs;
    all.tokens += s.size.tokens, all.pairs += s.size.pairs;
    d->work[first + t] += s.own;
    shared += s.shared / tensor;
    if (s.own > slowest) slowest = s.own;
  }
  grow(&d->load->largest.tokens_all, all.tokens);
  grow(&d->load->largest.pairs_all, all.pairs);
  for (int t = 0; t < tensor; t++) {
    tt_rank_load *r = &d->load->rank[first + t];
    r->group_tokens += all.tokens, r->group_pairs += all.pairs;
    d->work[first + t] += shared;
    d->wait[first + t] += shared + slowest;
    d->pieces[first + t]++;
  }
}

// ---- one batch
// -------------------------------------------------------------------------------------------------

// A record goes to every rank of the group that has its leaf, but for the rank that has read it.
static void move_records(dealer *d, int batch) {
  const tt_molecules *m = d->molecules;
  int tensor = d->layout->tensor, leaves = d->layout->leaves / d->layout->data;
  uint64_t first = m->first + (uint64_t)batch * (uint64_t)m->size;
  for (int i = 0; i < m->size; i++) {
    int reader = tt_sample_reader(first + (uint64_t)i, (uint64_t)d->config->data.lanes, d->load->ranks);
    int copies = tensor - (d->batch.leaf[i] / leaves == reader / tensor);
    d->load->rank[reader].records_read++;
    d->load->rank[reader].record_bytes += copies * m->bytes[(size_t)batch * (size_t)m->size + (size_t)i];
  }
}

static tt_status run_batch(dealer *d, int batch) {
  const tt_molecules *m = d->molecules;
  const tt_layout *layout = d->layout;
  int ranks = d->load->ranks, leaves = layout->leaves / layout->data;
  double slowest = 0, sum = 0;
  d->batch.atoms = m->atoms + (size_t)batch * (size_t)m->size;
  for (int i = 0; i < m->size; i++) d->cost[i] = tt_flops_cost(d->config, d->batch.atoms[i]);
  TT_TRY(tt_deal(d->cost, m->size, layout->leaves, layout->tensor, d->batch.leaf));
  TT_TRY(tt_leaf_deal(&d->leaf, &d->batch));
  move_records(d, batch);
  memset(d->work, 0, (size_t)ranks * sizeof *d->work);
  memset(d->wait, 0, (size_t)ranks * sizeof *d->wait);
  for (int leaf = 0; leaf < layout->leaves; leaf++) {
    tt_leaf_take(&d->leaf, &d->batch, leaf, d->config->train.max_pairs);
    for (int k = 0; k < d->leaf.pieces; k++) run_piece(d, leaf / leaves * layout->tensor, k);
  }
  for (int r = 0; r < ranks; r++) {
    if (d->wait[r] > slowest) slowest = d->wait[r];
    sum += d->work[r];
  }
  d->load->slowest += slowest / m->batches;
  d->load->imbalance += slowest / (sum / ranks) / m->batches;
  return TT_OK;
}

static tt_status allocate(dealer *d) {
  static const char what[] = "dealing the plan's molecules";
  size_t n = (size_t)d->molecules->size, ranks = (size_t)d->load->ranks;
  TT_TRY(tt_leaf_init(&d->leaf, d->layout->tensor, n));
  TT_TRY(tt_alloc(&d->load->rank, ranks, sizeof *d->load->rank, what));
  TT_TRY(tt_alloc(&d->cost, n, sizeof *d->cost, what));
  TT_TRY(tt_alloc(&d->batch.leaf, n, sizeof *d->batch.leaf, what));
  TT_TRY(tt_alloc(&d->work, ranks, sizeof *d->work, what));
  TT_TRY(tt_alloc(&d->wait, ranks, sizeof *d->wait, what));
  return tt_alloc(&d->pieces, ranks, sizeof *d->pieces, what);
}

tt_status tt_load_make(tt_load *load, const tt_config *config, const tt_layout *layout,
                       const tt_molecules *molecules) {
  *load = (tt_load){.ranks = layout->data * layout->tensor, .largest = {.ranks = layout->tensor}};
  dealer d = {.config = config,
              .layout = layout,
              .molecules = molecules,
              .load = load,
              .batch = {.count = molecules->size, .leaves = layout->leaves}};
  tt_status status = allocate(&d);
  for (int b = 0; status == TT_OK && b < molecules->batches; b++) status = run_batch(&d, b);
  for (int r = 0; status == TT_OK && r < load->ranks; r++) grow(&load->pieces, d.pieces[r]);
  tt_leaf_free(&d.leaf);
  void *all[] = {d.cost, d.batch.leaf, d.work, d.wait, d.pieces};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
  if (status != TT_OK) tt_load_free(load);
  return status;
}

void tt_load_free(tt_load *load) {
  free(load->rank);
  *load = (tt_load){0};
}
