#include "plan/reasons.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GIGA 1e-9

__attribute__((format(printf, 2, 3))) static void say(tt_plan_layout *l, const char *format, ...) {
  size_t used = strlen(l->reason);
  va_list args;
  va_start(args, format);
  vsnprintf(l->reason + used, sizeof l->reason - used, format, args);
  va_end(args);
}

void tt_plan_few_molecules(tt_plan_layout *l, const tt_plan *plan) {
  say(l, "%d leaves for %d %s need %d molecules, a batch has %d (train.batch_size)", l->layout.leaves,
      l->layout.tensor, l->layout.tensor == 1 ? "rank" : "ranks each", l->layout.leaves * l->layout.tensor,
      plan->config->train.batch_size);
}

// The two kinds of memory that take most, and what would help.
static void exceeds(tt_plan_layout *l, const tt_plan *plan) {
  const tt_plan_memory *m = &l->memory;
  say(l, "needs %.1f GB, a rank has %.1f: activations %.1f, gradients %.1f, weights %.1f, optimizer %.1f;",
      GIGA * (double)m->most, GIGA * plan->machine.memory, GIGA * (double)m->activations_most,
      GIGA * (double)m->state.gradients, GIGA * (double)m->state.weights,
      GIGA * (double)(m->state.masters + m->state.moments));
  double left = plan->machine.memory - (double)(m->most - m->activations_most);
  int64_t pairs = (int64_t)(left / (double)m->activations_most * (double)m->pairs_most) / 64 * 64;
  int64_t least = ((int64_t)plan->molecules->longest + 1) * (plan->molecules->longest + 1);
  const char *recompute =
      plan->config->train.recompute == TT_RECOMPUTE_PAIR ? "" : "; train.recompute = \"pair\" may help";
  if (pairs >= least)
    say(l, " train.max_pairs = %lld would fit%s", (long long)pairs, recompute);
  else if (left > 0)
    say(l, " a molecule of %d atoms alone is too much for what is left%s", plan->molecules->longest,
        recompute);
  else
    say(l, " it does not fit without activations either");
}

static const tt_plan_layout *alone(const tt_plan *plan) {
  for (int k = 0; k < plan->count; k++)
    if (plan->list[k].layout.tensor == 1 && plan->list[k].possible) return &plan->list[k];
  return NULL;
}

static void other_leaves(tt_plan_layout *l, const tt_plan *plan) {
  if (l->layout.leaves == plan->config->train.micro_batches) return;
  say(l, "; needs train.micro_batches = %d", l->layout.leaves);
}

// What sharing buys and costs beside no sharing.
static void compare(tt_plan_layout *l, const tt_plan_layout *one, int batches) {
  const tt_traffic_kind gradients = TT_TRAFFIC_GRADIENTS;
  double rows =
      (double)(l->traffic.largest[TT_TRAFFIC_TOKENS] + l->traffic.largest[TT_TRAFFIC_BIAS]) / batches;
  double saved = (double)(one->memory.most - l->memory.most);
  say(l, "%s %.1f GB a rank, sends %.2f in place of %.2f GB of gradients and %.2f GB of rows and bias more; ",
      saved < 0 ? "takes" : "saves", GIGA * (saved < 0 ? -saved : saved),
      GIGA * (double)l->traffic.largest[gradients] / batches,
      GIGA * (double)one->traffic.largest[gradients] / batches, GIGA * rows);
  double ratio = l->time.step / one->time.step;
  say(l,
      ratio < 1 ? "a step is %.1f%% shorter by the model than with T = 1"
                : "a step is %.1f%% longer by the model than with T = 1",
      100 * (ratio < 1 ? 1 - ratio : ratio - 1));
}

void tt_plan_give_reason(tt_plan *plan, int k) {
  tt_plan_layout *l = &plan->list[k];
  const tt_plan_layout *one = alone(plan);
  if (!l->fits) {
    exceeds(l, plan);
  } else if (l->layout.tensor == 1) {
    say(l,
        "every rank has the whole model: nothing crosses between ranks within a pass; fits with %.1f GB "
        "to spare",
        GIGA * (plan->machine.memory - (double)l->memory.most));
  } else {
    if (one && !one->fits) say(l, "T = 1 does not fit; this ");
    if (one) compare(l, one, plan->molecules->batches);
  }
  other_leaves(l, plan);
}
