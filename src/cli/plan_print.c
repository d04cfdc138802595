// A plan as text: the layouts, then tables with a column a layout.
#include "cli/plan_print.h"

#include <stdio.h>

#include "core/version.h"

enum { COLUMNS = 7 }; // of a table: the best layouts

static void head(const tt_plan *p) {
  const tt_molecules *m = p->molecules;
  tt_molecule_sums sum = tt_molecules_sum(m);
  double count = (double)m->batches * m->size;
  printf("twotrack %s: a plan for %d x %s (%s)\n", tt_version(), p->ranks, p->machine.name,
         p->machine.description);
  printf("model %s, %.1f million parameters\n",
         p->config->model.preset[0] ? p->config->model.preset : "of no preset", 1e-6 * (double)p->parameters);
  printf("molecules: %s; %.1f atoms, %.0f pair rows on average\n", m->source, (double)sum.atoms / count,
         (double)sum.pairs / count);
  printf("an update of %d: %.4g operations executed, %.4g by the reference's count\n\n", m->size,
         p->flops_executed, p->flops_reference);
}

static void layouts(const tt_plan *p) {
  printf("%-3s %-13s %7s %10s %9s %10s %9s %10s\n", "", "data x tensor", "leaves", "GB a rank", "ms a step",
         "conf./s", "days", "imbalance");
  int fit = 0;
  for (int k = 0; k < p->count; k++) {
    const tt_plan_layout *l = &p->list[k];
    fit += l->fits;
    char name[32], place[16] = "no";
    if (l->fits) snprintf(place, sizeof place, "%d.", k + 1);
    snprintf(name, sizeof name, "%d x %d", l->layout.data, l->layout.tensor);
    printf("%-3s %-13s %7d", place, name, l->layout.leaves);
    if (l->possible)
      printf(" %10.1f %9.1f %10.0f %9.3g %10.3f", 1e-9 * (double)l->memory.most, 1e3 * l->time.step,
             p->config->train.batch_size / l->time.step, l->days, l->imbalance);
    printf("\n    %s\n", l->reason);
  }
  if (!fit) puts("no layout fits: take fewer ranks, or change what the lines above name");
}

// ---- tables with a column a layout
// -----------------------------------------------------------------------------

typedef double (*figure)(const tt_plan *p, const tt_plan_layout *l);

static void row(const tt_plan *p, const char *name, const char *format, figure value) {
  printf("  %-40s", name);
  for (int k = 0, shown = 0; k < p->count && shown < COLUMNS; k++)
    if (p->list[k].possible) printf(format, value(p, &p->list[k])), shown++;
  putchar('\n');
}

static void title(const tt_plan *p, const char *text) {
  printf("\n%-42s", text);
  for (int k = 0, shown = 0; k < p->count && shown < COLUMNS; k++) {
    if (!p->list[k].possible) continue;
    char name[32];
    snprintf(name, sizeof name, "%d x %d", p->list[k].layout.data, p->list[k].layout.tensor);
    printf("%10s", name), shown++;
  }
  putchar('\n');
}

#define FIGURE(name, expression)                                                                             \
  static double name(const tt_plan *p, const tt_plan_layout *l) {                                            \
    (void)p;                                                                                                 \
    return (double)(expression);                                                                             \
  }

FIGURE(weights, 1e-9 * l->memory.state.weights)
FIGURE(masters, 1e-9 * l->memory.state.masters)
FIGURE(moments, 1e-9 * l->memory.state.moments)
FIGURE(gradients, 1e-9 * l->memory.state.gradients)
FIGURE(exchange, 1e-9 * (l->memory.state.exchange + l->memory.state.tables))
FIGURE(activations_most, 1e-9 * l->memory.activations_most)
FIGURE(activations, 1e-9 * l->memory.activations)
FIGURE(rest, 1e-9 * (l->memory.scratch + l->memory.batch + l->memory.fixed))
FIGURE(snapshot, 1e-9 * l->memory.state.snapshot)
FIGURE(most, 1e-9 * l->memory.most)
FIGURE(expected, 1e-9 * l->memory.expected)

static void memory(const tt_plan *p) {
  title(p, "memory of a rank, GB");
  row(p, "weights", "%10.3f", weights);
  row(p, "masters", "%10.3f", masters);
  row(p, "moments", "%10.3f", moments);
  row(p, "gradients (tree)", "%10.3f", gradients);
  row(p, "exchange of gradients, tables", "%10.3f", exchange);
  row(p, "activations, piece of train.max_pairs", "%10.3f", activations_most);
  row(p, "activations, largest piece expected", "%10.3f", activations);
  row(p, "scratch, batch, process", "%10.3f", rest);
  row(p, p->machine.gpu ? "snapshot of a checkpoint (host memory)" : "snapshot of a checkpoint", "%10.3f",
      snapshot);
  row(p, "at most", "%10.3f", most);
  row(p, "expected, between checkpoints", "%10.3f", expected);
}

#define TRAFFIC(name, field, kind) FIGURE(name, 1e-6 * (double)l->traffic.field[kind] / p->molecules->batches)

TRAFFIC(sent_gradients, largest, TT_TRAFFIC_GRADIENTS)
TRAFFIC(out_gradients, largest_leaves, TT_TRAFFIC_GRADIENTS)
TRAFFIC(sent_weights, largest, TT_TRAFFIC_WEIGHTS)
TRAFFIC(out_weights, largest_leaves, TT_TRAFFIC_WEIGHTS)
TRAFFIC(sent_tokens, largest, TT_TRAFFIC_TOKENS)
TRAFFIC(out_tokens, largest_leaves, TT_TRAFFIC_TOKENS)
TRAFFIC(sent_bias, largest, TT_TRAFFIC_BIAS)
TRAFFIC(out_bias, largest_leaves, TT_TRAFFIC_BIAS)
TRAFFIC(sent_norms, largest, TT_TRAFFIC_NORMS)
TRAFFIC(sent_losses, largest, TT_TRAFFIC_LOSSES)
TRAFFIC(sent_records, largest, TT_TRAFFIC_RECORDS)

FIGURE(channels, 1e-6 * l->traffic.by_channels / p->molecules->batches)

static double all_ranks(const tt_plan *p, const tt_plan_layout *l) {
  double sum = 0;
  for (int k = 0; k < TT_TRAFFIC_KINDS; k++) sum += 1e-6 * (double)l->traffic.sent[k] / p->molecules->batches;
  return sum;
}

static double between_nodes(const tt_plan *p, const tt_plan_layout *l) {
  double sum = 0;
  for (int k = 0; k < TT_TRAFFIC_KINDS; k++)
    sum += 1e-6 * (double)l->traffic.leaves_node[k] / p->molecules->batches;
  return sum;
}

static void traffic(const tt_plan *p) {
  title(p, "sent an update by the rank with most, MB");
  row(p, "gradients", "%10.3f", sent_gradients);
  row(p, "  of it to other nodes", "%10.3f", out_gradients);
  row(p, "weights", "%10.3f", sent_weights);
  row(p, "  of it to other nodes", "%10.3f", out_weights);
  row(p, "token rows in the tensor group", "%10.3f", sent_tokens);
  row(p, "  of it to other nodes", "%10.3f", out_tokens);
  row(p, "attention bias in the tensor group", "%10.3f", sent_bias);
  row(p, "  of it to other nodes", "%10.3f", out_bias);
  row(p, "  (a pair track split by channels)", "%10.1f", channels);
  row(p, "norms", "%10.3f", sent_norms);
  row(p, "losses", "%10.3f", sent_losses);
  row(p, "records of molecules", "%10.3f", sent_records);
  row(p, "all ranks together", "%10.0f", all_ranks);
  row(p, "  of it between nodes", "%10.0f", between_nodes);
}

FIGURE(compute_ms, 1e3 * l->time.compute)
FIGURE(sums_ms, 1e3 * l->time.sums)
FIGURE(optimizer_ms, 1e3 * l->time.optimizer)
FIGURE(hidden_ms, 1e3 * (l->time.gradients_all - l->time.gradients))
FIGURE(gradients_ms, 1e3 * l->time.gradients)
FIGURE(weights_ms, 1e3 * l->time.weights)
FIGURE(tensor_ms, 1e3 * l->time.tensor)
FIGURE(small_ms, 1e3 * l->time.small)
FIGURE(step_ms, 1e3 * l->time.step)
FIGURE(snapshot_ms, 1e3 * l->time.snapshot)
FIGURE(save_ms, 1e3 * l->time.save)
FIGURE(peak, 100 * p->flops_executed / l->time.step / p->ranks / p->machine.flops)

static void times(const tt_plan *p) {
  title(p, "time of an update, ms");
  row(p, "products of the slowest rank", "%10.2f", compute_ms);
  row(p, "gradients cleared and added", "%10.2f", sums_ms);
  row(p, "norm and Adam", "%10.2f", optimizer_ms);
  row(p, "exchange of gradients, not hidden", "%10.2f", gradients_ms);
  row(p, "  (behind the backward)", "%10.2f", hidden_ms);
  row(p, "new weights gathered", "%10.2f", weights_ms);
  row(p, "token rows and attention bias", "%10.2f", tensor_ms);
  row(p, p->machine.gpu ? "losses, norms, agreements" : "losses, norms, agreements, records", "%10.2f",
      small_ms);
  row(p, "an update", "%10.2f", step_ms);
  row(p, "executed operations / peak, %", "%10.1f", peak);
  row(p, "a checkpoint: training waits", "%10.2f", snapshot_ms);
  row(p, "a checkpoint: written, meanwhile", "%10.0f", save_ms);
}

static void assumptions(const tt_plan *p) {
  const tt_machine *m = &p->machine;
  printf("\ntaken for granted\n");
  if (m->gpu)
    printf("  the CUDA backend in bf16, which has not run on a GPU yet: activations in bf16 (embedding, "
           "LayerNorm's "
           "statistics, sums and\n  gradients fp32), weights in fp32 on every rank, and rounded for "
           "products, moments "
           "divided over the data ranks; rows sent in\n  bf16, weights and gradients in fp32; "
           "libraries and "
           "contexts %.1f GB; the next batch is made ready behind this one\n",
           1e-9 * m->fixed);
  else
    printf("  this program as it is: fp32 weights without masters; no time is saved by sending behind "
           "arithmetic\n");
  printf(
      "  products at %.0f %% of %.4g operations/s a rank; %.4g GB/s of memory; links at %.0f %% of %.0f GB/s "
      "within a node of %d, %.0f GB/s\n  between nodes, both at once; a collective call %.0f us + %.0f us a "
      "rank; a snapshot at %.0f GB/s, a file at %.0f GB/s a node\n",
      100 * m->fraction, m->flops, 1e-9 * m->bandwidth, 100 * TT_PLAN_LINK_SHARE, 1e-9 * m->link, m->node,
      1e-9 * m->network, 1e6 * TT_PLAN_LATENCY, 1e6 * TT_PLAN_LATENCY_RANK, 1e-9 * m->host, 1e-9 * m->disk);
  printf("  peak, memory and links: %s\n", m->source);
  printf("  a checkpoint holds %.2f GB (weights and both moments, fp32)\n", 12e-9 * (double)p->parameters);
  printf("  days: %.0f million conformations, once\n", 1e-6 * TT_PLAN_CONFORMATIONS);
}

void tt_cli_plan_print(const tt_plan *p) {
  head(p);
  layouts(p);
  bool any = false;
  for (int k = 0; k < p->count; k++) any |= p->list[k].possible;
  if (any) memory(p), traffic(p), times(p);
  assumptions(p);
}
