// A plan as one JSON object: bytes, operations and seconds, without prefixes.
#include <jansson.h>
#include <stdio.h>

#include "cli/plan_print.h"
#include "core/version.h"

static json_t *integer(int64_t value) {
  return json_integer((json_int_t)value);
}

static json_t *memory_json(const tt_plan_memory *m) {
  const tt_trainer_memory *s = &m->state;
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "weights",
                   integer(s->weights), "masters", integer(s->masters), "moments", integer(s->moments),
                   "gradients", integer(s->gradients), "exchange", integer(s->exchange), "tables",
                   integer(s->tables), "activations_at_max_pairs", integer(m->activations_most),
                   "activations_expected", integer(m->activations), "scratch", integer(m->scratch), "batch",
                   integer(m->batch), "process", integer(m->fixed), "snapshot", integer(s->snapshot),
                   "snapshot_in_host_memory", m->snapshot_apart, "at_most", integer(m->most), "expected",
                   integer(m->expected));
}

// {"gradients": {"all_ranks": bytes, "largest_rank": bytes, ...}, ...}: of all of the plan's updates together
static json_t *traffic_json(const tt_plan_traffic *t) {
  json_t *all = json_object();
  for (int k = 0; k < TT_TRAFFIC_KINDS; k++)
    json_object_set_new(all, tt_traffic_name(k),
                        json_pack("{s:o, s:o, s:o, s:o}", "all_ranks", integer(t->sent[k]), "largest_rank",
                                  integer(t->largest[k]), "between_nodes", integer(t->leaves_node[k]),
                                  "largest_rank_between_nodes", integer(t->largest_leaves[k])));
  return all;
}

static json_t *time_json(const tt_plan_time *t) {
  return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "products", t->compute, "gradient_sums",
                   t->sums, "optimizer", t->optimizer, "gradients", t->gradients, "gradients_hidden",
                   t->gradients_all - t->gradients, "weights", t->weights, "tensor_group", t->tensor, "small",
                   t->small, "update", t->step);
}

static json_t *layout_json(const tt_plan *p, const tt_plan_layout *l) {
  json_t *o = json_pack("{s:i, s:i, s:i, s:b, s:b, s:s}", "data", l->layout.data, "tensor", l->layout.tensor,
                        "micro_batches", l->layout.leaves, "possible", l->possible, "fits", l->fits, "reason",
                        l->reason);
  if (!o || !l->possible) return o;
  json_object_set_new(o, "memory_bytes", memory_json(&l->memory));
  json_object_set_new(o, "bytes_sent", traffic_json(&l->traffic));
  json_object_set_new(o, "bytes_sent_by_channels", integer(l->traffic.by_channels));
  json_object_set_new(o, "seconds", time_json(&l->time));
  json_object_set_new(o, "conformations_per_s", json_real(p->config->train.batch_size / l->time.step));
  json_object_set_new(o, "days", json_real(l->days));
  json_object_set_new(o, "imbalance", json_real(l->imbalance));
  json_object_set_new(o, "pieces_per_update", json_real(l->pieces));
  json_object_set_new(o, "checkpoint_snapshot_seconds", json_real(l->time.snapshot));
  json_object_set_new(o, "checkpoint_write_seconds", json_real(l->time.save));
  return o;
}

tt_status tt_cli_plan_json(const tt_plan *p) {
  const tt_machine *m = &p->machine;
  tt_molecule_sums sum = tt_molecules_sum(p->molecules);
  json_t *layouts = json_array();
  for (int k = 0; k < p->count; k++) json_array_append_new(layouts, layout_json(p, &p->list[k]));
  json_t *machine = json_pack("{s:s, s:f, s:f, s:f, s:f, s:i, s:f, s:f, s:f, s:f, s:s}", "name", m->name,
                              "memory_bytes", m->memory, "peak_flops_per_s", m->flops, "fraction_of_peak",
                              m->fraction, "memory_bytes_per_s", m->bandwidth, "ranks_per_node", m->node,
                              "link_bytes_per_s", m->link, "network_bytes_per_s", m->network, "link_share",
                              TT_PLAN_LINK_SHARE, "disk_bytes_per_s_per_node", m->disk, "source", m->source);
  json_t *molecules = json_pack(
      "{s:s, s:i, s:o, s:o, s:o, s:o}", "source", p->molecules->source, "updates", p->molecules->batches,
      "molecules", integer((int64_t)p->molecules->batches * p->molecules->size), "atoms", integer(sum.atoms),
      "token_rows", integer(sum.tokens), "pair_rows", integer(sum.pairs));
  json_t *all = json_pack(
      "{s:s, s:i, s:o, s:o, s:i, s:o, s:f, s:f, s:f, s:f, s:i, s:o}", "code_version", tt_version(), "ranks",
      p->ranks, "machine", machine, "parameters", integer(p->parameters), "batch_size",
      p->config->train.batch_size, "molecules", molecules, "executed_flops_per_update", p->flops_executed,
      "reference_flops_per_update", p->flops_reference, "conformations", TT_PLAN_CONFORMATIONS,
      "checkpoint_bytes", 12.0 * (double)p->parameters, "fitting", p->fitting, "layouts", layouts);
  if (!all) return tt_fail(TT_ERR_MEMORY, "out of memory");
  json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
  putchar('\n');
  json_decref(all);
  return TT_OK;
}
