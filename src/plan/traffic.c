#include "plan/traffic.h"

#include <string.h>

#include "batch/outlook.h"
#include "model/crossing.h"
#include "model/parameters.h"
#include "train/losses.h"
#include "train/shards.h"

typedef struct {
  const tt_layout *layout;
  const tt_load *load;
  int node, ranks;
  int64_t batches;
  const tt_model_config *model;
} sender;

static int smaller(int a, int b) {
  return a < b ? a : b;
}

// Other ranks of the node of world rank r.
static int neighbours(const sender *s, int r) {
  int first = r / s->node * s->node;
  return smaller(first + s->node, s->ranks) - first - 1;
}

// Of what goes in equal parts to all other ranks: the part that stays within the node.
static int64_t even_share(const sender *s, int r, int64_t bytes) {
  return s->ranks > 1 ? bytes / (s->ranks - 1) * neighbours(s, r) : 0;
}

// ---- gradients and weights: bucket by bucket, each among the ranks that share it
// ---------------------------

// Place of world rank w among the ranks that share a bucket; -1 when it is not one of them.
static int sharer(const sender *s, const tt_bucket *bucket, int place, int w) {
  int tensor = s->layout->tensor;
  if (bucket->split) return w % tensor == place ? w / tensor : -1;
  return w % tensor * s->layout->data + w / tensor;
}

static void within_bucket(const sender *s, const tt_bucket *bucket, int r, int64_t within[TT_TRAFFIC_KINDS]) {
  int ranks = bucket->split ? s->layout->data : s->ranks, place = r % s->layout->tensor;
  int own = sharer(s, bucket, place, r), first = r / s->node * s->node;
  int64_t floats = tt_shard_begin(bucket, ranks, own + 1) - tt_shard_begin(bucket, ranks, own);
  for (int w = first; w < smaller(first + s->node, s->ranks); w++) {
    int to = w == r ? -1 : sharer(s, bucket, place, w);
    if (to < 0) continue;
    int64_t theirs = tt_shard_begin(bucket, ranks, to + 1) - tt_shard_begin(bucket, ranks, to);
    within[TT_TRAFFIC_GRADIENTS] += theirs * (int64_t)sizeof(float);
    within[TT_TRAFFIC_WEIGHTS] += floats * (int64_t)sizeof(float);
  }
}

static void shards(const sender *s, const tt_parameters *p, int r, int64_t sent[TT_TRAFFIC_KINDS],
                   int64_t within[TT_TRAFFIC_KINDS]) {
  tt_shards_traffic(p, s->layout->data, r / s->layout->tensor, sent);
  for (int k = 0; k < p->buckets; k++) within_bucket(s, &p->bucket[k], r, within);
  for (int k = 0; k < TT_TRAFFIC_KINDS; k++) sent[k] *= s->batches, within[k] *= s->batches;
  within[TT_TRAFFIC_NORMS] = even_share(s, r, sent[TT_TRAFFIC_NORMS]);
}

// ---- what follows the molecules
// --------------------------------------------------------------------------------

static void molecules(const sender *s, int r, int64_t sent[TT_TRAFFIC_KINDS],
                      int64_t within[TT_TRAFFIC_KINDS]) {
  const tt_rank_load *l = &s->load->rank[r];
  sent[TT_TRAFFIC_LOSSES] = (s->ranks - 1) * l->molecules * (int64_t)sizeof(tt_molecule_losses);
  within[TT_TRAFFIC_LOSSES] = even_share(s, r, sent[TT_TRAFFIC_LOSSES]);
  int64_t announced = (s->ranks - 1) * l->records_read * tt_outlook_announcement();
  sent[TT_TRAFFIC_RECORDS] = announced + l->record_bytes;
  // where records go is a matter of chance
  within[TT_TRAFFIC_RECORDS] = even_share(s, r, announced + l->record_bytes);
}

// Both are sums over pieces of what is proportional to their rows.
static void group(const sender *s, int r, int64_t sent[TT_TRAFFIC_KINDS], int64_t within[TT_TRAFFIC_KINDS]) {
  const tt_rank_load *l = &s->load->rank[r];
  int tensor = s->layout->tensor, first = r / s->node * s->node;
  sent[TT_TRAFFIC_TOKENS] = tt_crossing_tokens(s->model, tensor, l->tokens, l->group_tokens, true);
  sent[TT_TRAFFIC_BIAS] = tt_crossing_bias(s->model, tensor, l->pairs, l->group_pairs, true);
  int here = 0; // other ranks of the group in the node
  for (int w = r / tensor * tensor; w < r / tensor * tensor + tensor; w++)
    here += w != r && w >= first && w < first + s->node;
  static const tt_traffic_kind kinds[] = {TT_TRAFFIC_TOKENS, TT_TRAFFIC_BIAS};
  for (int k = 0; k < 2 && tensor > 1; k++) within[kinds[k]] = sent[kinds[k]] / (tensor - 1) * here;
}

// A pair track by channels ends each of its three steps (outer product, triangle, feed-forward) in the sum of
// all ranks' (R, P), and begins each backward of a linear map with another: 3 each way a layer (the bias of
// the attention has one in the backward, the outer product none). A sum over T ranks that all get takes each
// 2 (T - 1) / T of the array, R being the pair rows of the group's molecules.
static int64_t by_channels(const sender *s, int r) {
  int64_t tensor = s->layout->tensor, sums = 6 * s->model->layers;
  return sums * 2 * (tensor - 1) * s->load->rank[r].group_pairs * s->model->pair_dim / tensor *
         (int64_t)sizeof(float);
}

// The CUDA backend keeps rows in bf16, and sends them so; weights in fp32.
static void round_rows(int64_t bytes[TT_TRAFFIC_KINDS]) {
  bytes[TT_TRAFFIC_TOKENS] /= 2, bytes[TT_TRAFFIC_BIAS] /= 2;
}

static void add(tt_plan_traffic *t, int kind, int64_t sent, int64_t within) {
  int64_t leaves = sent - within;
  t->sent[kind] += sent, t->leaves_node[kind] += leaves;
  if (sent > t->largest[kind]) t->largest[kind] = sent;
  if (within > t->largest_within[kind]) t->largest_within[kind] = within;
  if (leaves > t->largest_leaves[kind]) t->largest_leaves[kind] = leaves;
}

tt_status tt_plan_traffic_make(tt_plan_traffic *traffic, const tt_config *config, const tt_layout *layout,
                               const tt_molecules *batches, const tt_load *load, const tt_machine *machine) {
  *traffic = (tt_plan_traffic){0};
  sender s = {layout, load, machine->node, layout->data * layout->tensor, batches->batches, &config->model};
  for (int place = 0; place < layout->tensor; place++) {
    tt_parameters p;
    TT_TRY(tt_parameters_build(&p, &config->model, layout->tensor, place));
    for (int r = place; r < s.ranks; r += layout->tensor) {
      int64_t sent[TT_TRAFFIC_KINDS] = {0}, within[TT_TRAFFIC_KINDS] = {0};
      shards(&s, &p, r, sent, within);
      molecules(&s, r, sent, within);
      group(&s, r, sent, within);
      if (machine->gpu) round_rows(sent), round_rows(within);
      int64_t naive = by_channels(&s, r) / (machine->gpu ? 2 : 1);
      if (naive > traffic->by_channels) traffic->by_channels = naive;
      for (int k = 0; k < TT_TRAFFIC_KINDS; k++) add(traffic, k, sent[k], within[k]);
    }
    tt_parameters_free(&p);
  }
  return TT_OK;
}
