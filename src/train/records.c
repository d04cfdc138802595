#include "train/records.h"

#include <time.h>

#include "comm/link.h"
#include "core/version.h"
#include "train/hardware.h"
#include "train/runlog.h"

static json_t *number(double value) {
  return tt_runlog_number(value);
}

static json_t *code_version(void) {
  return json_sprintf("twotrack %s", tt_version());
}

// Parameters counted three ways are what power laws are fitted to: all, and those outside embedding tables.
static json_t *parameter_counts(const tt_parameters *p) {
  int64_t tables = 0;
  static const char *const embeddings[] = {"embed_tokens.weight",
                                           "atom_feature.atom_encoder.weight",
                                           "atom_feature.degree_encoder.weight",
                                           "atom_feature.vnode_encoder.weight",
                                           "edge_feature.edge_encoder.weight",
                                           "edge_feature.shorest_path_encoder.weight",
                                           "edge_feature.vnode_virtual_distance.weight",
                                           "se3_invariant_kernel.gaussian.mul.weight",
                                           "se3_invariant_kernel.gaussian.bias.weight"};
  for (size_t k = 0; k < sizeof embeddings / sizeof *embeddings; k++) {
    const tt_parameter *e = tt_parameters_find(p, embeddings[k]);
    if (e) tables += e->count;
  }
  return json_pack("{s:I, s:I, s:i}", "total", (json_int_t)p->whole, "without_embeddings",
                   (json_int_t)(p->whole - tables), "tensors", p->count);
}

// How the ranks' devices exchange arrays; where there is nothing of the kind, no such field.
static json_t *with_exchange(json_t *record, const tt_trainer *t) {
  const char *name = tt_link_name(&t->mesh.whole);
  if (record && name && json_object_set_new(record, "exchange", json_string(name)) != 0) {
    json_decref(record);
    return NULL;
  }
  return record;
}

json_t *tt_record_run(const tt_trainer *t, const char *config_text, const tt_store *store) {
  json_t *record = json_pack(
      "{s:s, s:i, s:o, s:s, s:o, s:s, s:i, s:o, s:s, s:s, s:I, s:I, s:I, s:s}", "type", "run",
      "schema_version", TT_LOG_SCHEMA, "code_version", code_version(), "config", config_text, "hardware",
      tt_hardware_json(), "backend", t->ops->name, "ranks", t->comm->size, "parameters",
      parameter_counts(t->parameters), "flop_formula",
      "3 x forward of every molecule at its real length, matrix products only, multiply-add = 2, "
      "recomputation not counted; "
      "executed: outer product factored; reference: outer product formed, as upstream does (docs/model.md)",
      "store_digest", tt_store_digest(store), "store_train_records",
      (json_int_t)tt_store_records(store, TT_TRAIN), "store_valid_records",
      (json_int_t)tt_store_records(store, TT_VALID), "started_unix", (json_int_t)time(NULL), "precision",
      tt_precision_name(t->config->train.precision));
  return with_exchange(record, t);
}

json_t *tt_record_resume(const tt_trainer *t) {
  json_t *record = json_pack("{s:s, s:I, s:i, s:o, s:s, s:o}", "type", "resume", "step",
                             (json_int_t)t->state.step, "ranks", t->comm->size, "hardware",
                             tt_hardware_json(), "backend", t->ops->name, "code_version", code_version());
  return with_exchange(record, t);
}

json_t *tt_record_step(const tt_trainer *t, const tt_update *u, double samples_per_s, double data_s) {
  const tt_progress_state *s = &t->state;
  return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "type",
                   "step", "step", (json_int_t)s->step, "samples", (json_int_t)s->samples, "loss",
                   number(u->losses.loss), "loss_token", number(u->losses.token), "loss_position",
                   number(u->losses.position), "loss_distance", number(u->losses.distance), "lr",
                   number(u->learning_rate), "grad_norm", number(u->gradient_norm), "atoms",
                   (json_int_t)s->atoms, "pairs", (json_int_t)s->pairs, "flops_executed",
                   number(s->flops_executed), "flops_reference", number(s->flops_reference), "samples_per_s",
                   number(samples_per_s), "data_s", number(data_s));
}

json_t *tt_record_valid(const tt_trainer *t, const tt_losses *l, const tt_losses *base) {
  return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o}", "type",
                   "valid", "step", (json_int_t)t->state.step, "samples", (json_int_t)t->state.samples,
                   "loss", number(l->loss), "loss_token", number(l->token), "loss_position",
                   number(l->position), "loss_distance", number(l->distance), "loss_se", number(l->loss_se),
                   "loss_token_se", number(l->token_se), "loss_position_se", number(l->position_se),
                   "loss_distance_se", number(l->distance_se), "count", (json_int_t)l->molecules, "masked",
                   (json_int_t)l->masked, "baseline_token", number(base->token), "baseline_position",
                   number(base->position), "baseline_distance", number(base->distance));
}

json_t *tt_record_save(const tt_save_report *r) {
  return json_pack("{s:s, s:I, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "type", "save", "step",
                   (json_int_t)r->step, "writer", r->writer, "bytes", (json_int_t)r->bytes, "create_s",
                   number(r->create), "copy_s", number(r->copy), "write_s", number(r->write), "digest_s",
                   number(r->digest), "sync_s", number(r->sync), "finish_s", number(r->finish), "waited_s",
                   number(r->waited), "total_s", number(r->total));
}

json_t *tt_record_stop(const tt_trainer *t, const char *reason) {
  return json_pack("{s:s, s:I, s:s}", "type", "stop", "step", (json_int_t)t->state.step, "reason", reason);
}
