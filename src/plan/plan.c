#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "model/flops.h"
#include "model/parameters.h"
#include "plan/reasons.h"

// ---- one layout
// ------------------------------------------------------------------------------------------------

static tt_status judge(tt_plan_layout *l, const tt_plan *plan) {
  tt_load load;
  const tt_molecules *m = plan->molecules;
  TT_TRY(tt_load_make(&load, plan->config, &l->layout, m));
  l->imbalance = load.imbalance;
  l->pieces = (double)load.pieces / m->batches;
  l->possible = true;
  tt_status status = tt_plan_memory_make(&l->memory, plan->config, &plan->machine, &l->layout, m, &load);
  if (status == TT_OK)
    status = tt_plan_traffic_make(&l->traffic, plan->config, &l->layout, m, &load, &plan->machine);
  if (status == TT_OK) {
    tt_plan_time_make(&l->time, plan->config, &plan->machine, &l->layout, &load, &l->memory, &l->traffic,
                      m->batches, plan->parameters);
    l->days = TT_PLAN_CONFORMATIONS / plan->config->train.batch_size * l->time.step / 86400;
    l->fits = (double)l->memory.most <= plan->machine.memory;
  }
  tt_load_free(&load);
  return status;
}

// Whether so many ranks may share a leaf (as config/check.c has it), and enough molecules for them.
static bool can_share(const tt_plan *plan, tt_plan_layout *l) {
  const tt_model_config *c = &plan->config->model;
  int tensor = l->layout.tensor, batch = plan->config->train.batch_size;
  if (c->heads % tensor || (tensor > 1 && c->ffn_dim % (8 * tensor))) return false;
  if (l->layout.leaves * tensor > batch) tt_plan_few_molecules(l, plan);
  return l->layout.leaves * tensor <= batch;
}

static int leaves_for(const tt_plan *plan, int data) {
  int leaves = plan->config->train.micro_batches;
  return leaves < data ? data : leaves;
}

// ---- all of them
// -----------------------------------------------------------------------------------------------

static int rank_of(const tt_plan_layout *l) {
  return !l->possible ? 3 : !l->fits ? 2 : l->layout.tensor > 1;
}

static int best_first(const void *a, const void *b) {
  const tt_plan_layout *x = a, *y = b;
  if (rank_of(x) != rank_of(y)) return rank_of(x) - rank_of(y);
  if (x->fits && x->time.step != y->time.step) return x->time.step < y->time.step ? -1 : 1;
  return x->layout.tensor - y->layout.tensor;
}

static void sum_flops(tt_plan *plan) {
  const tt_molecules *m = plan->molecules;
  for (int i = 0; i < m->batches * m->size; i++) {
    double masked = plan->config->data.mask_probability * m->atoms[i];
    plan->flops_executed += 3 * tt_flops_executed(&plan->config->model, m->atoms[i], masked) / m->batches;
    plan->flops_reference += 3 * tt_flops_reference(&plan->config->model, m->atoms[i], masked) / m->batches;
  }
}

tt_status tt_plan_make(tt_plan *plan, const tt_config *config, const tt_machine *machine, int ranks,
                       const tt_molecules *molecules) {
  *plan = (tt_plan){.config = config, .machine = *machine, .ranks = ranks, .molecules = molecules};
  if (ranks < 1 || ranks & (ranks - 1))
    return tt_fail(TT_ERR_ARGUMENT, "%d ranks are no power of two: plan for 1, 2, 4, 8 ... of them", ranks);
  tt_parameters p;
  TT_TRY(tt_parameters_build(&p, &config->model, 1, 0));
  plan->parameters = p.whole;
  tt_parameters_free(&p);
  sum_flops(plan);
  for (int tensor = 1; tensor <= ranks && plan->count < TT_PLAN_LAYOUTS; tensor *= 2) {
    tt_plan_layout *l = &plan->list[plan->count];
    *l = (tt_plan_layout){.layout = {ranks / tensor, tensor, leaves_for(plan, ranks / tensor)}};
    bool share = can_share(plan, l);
    if (!share && !*l->reason) break; // heads cannot be divided any further
    if (share) TT_TRY(judge(l, plan));
    plan->fitting += l->fits;
    plan->count++;
  }
  qsort(plan->list, (size_t)plan->count, sizeof *plan->list, best_first);
  for (int k = 0; k < plan->count; k++)
    if (plan->list[k].possible) tt_plan_give_reason(plan, k);
  return TT_OK;
}
