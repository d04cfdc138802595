#include "plan/time.h"

#include "train/tree.h"

typedef struct {
  const tt_machine *machine;
  const tt_layout *layout;
  const tt_plan_traffic *traffic;
  int ranks;
  double batches;
} links;

// Both links work at once; the slower one is what all wait for. `together`: ranks of a node that are sent the
// same, which then enters the node once, each of them taking a part.
static double transfer(const links *l, tt_traffic_kind kind, int together) {
  double within = (double)l->traffic->largest_within[kind] / l->batches;
  double leaves = (double)l->traffic->largest_leaves[kind] / l->batches / together;
  double a = within / (TT_PLAN_LINK_SHARE * l->machine->link);
  double b = leaves / (TT_PLAN_LINK_SHARE * l->machine->network);
  return a > b ? a : b;
}

static double calls(int ranks, double count) {
  return ranks > 1 ? count * (TT_PLAN_LATENCY + ranks * TT_PLAN_LATENCY_RANK) : 0;
}

// Collective calls of a group in a piece: 2 gathers and 2 sums of token rows and one exchange of the bias
// each way a layer, and the movement head's.
static double group_calls(const tt_config *config) {
  return 10.0 * config->model.layers + 6;
}

void tt_plan_time_make(tt_plan_time *t, const tt_config *config, const tt_machine *machine,
                       const tt_layout *layout, const tt_load *load, const tt_plan_memory *memory,
                       const tt_plan_traffic *traffic, int batches, int64_t parameters) {
  links l = {machine, layout, traffic, layout->data * layout->tensor, batches};
  const double own_leaves = (double)layout->leaves / layout->data;
  double held = (double)memory->state.gradients / tt_tree_levels(layout->leaves / layout->data);
  double owned = (double)memory->state.moments / 8, pieces = (double)load->pieces / batches;
  *t = (tt_plan_time){.compute = load->slowest / (machine->flops * machine->fraction)};
  // a leaf: cleared (1 array written) and, but for the first, added to its neighbour (2 read, 1 written)
  t->sums = held * (own_leaves + 3 * (own_leaves - 1)) / machine->bandwidth;
  // Adam reads gradient, moments and weight and writes the last three; the norm reads the gradient
  t->optimizer = owned * sizeof(float) * 8 / machine->bandwidth;
  double buckets = 2.0 * config->model.layers + 2; // whole and split ones, at most
  t->gradients_all = transfer(&l, TT_TRAFFIC_GRADIENTS, 1) + calls(l.ranks, buckets);
  double backward = machine->gpu && pieces > 0 ? t->compute / pieces * 2 / 3 : 0;
  t->gradients = t->gradients_all > backward ? t->gradients_all - backward : 0;
  // NCCL's gather: the ranks of a node with the same tensor place get the same weights
  int same = machine->gpu && machine->node > layout->tensor ? machine->node / layout->tensor : 1;
  t->weights = transfer(&l, TT_TRAFFIC_WEIGHTS, same) + calls(l.ranks, buckets);
  t->tensor = transfer(&l, TT_TRAFFIC_TOKENS, 1) + transfer(&l, TT_TRAFFIC_BIAS, 1) +
              calls(layout->tensor, pieces * group_calls(config));
  t->small = transfer(&l, TT_TRAFFIC_LOSSES, 1) + transfer(&l, TT_TRAFFIC_NORMS, 1) + calls(l.ranks, 5);
  if (!machine->gpu) t->small += transfer(&l, TT_TRAFFIC_RECORDS, 1) + calls(l.ranks, 4);
  t->step = t->compute + t->sums + t->optimizer + t->gradients + t->weights + t->tensor + t->small;
  t->snapshot = (double)memory->state.snapshot / machine->host;
  double nodes = (l.ranks + machine->node - 1) / machine->node;
  t->save = 12.0 * (double)parameters / (nodes * machine->disk);
}
