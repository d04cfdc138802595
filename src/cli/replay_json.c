#include <stdbool.h>

#include "cli/replay_print.h"
#include "train/runlog.h"

static json_t *number(double value) {
  return tt_runlog_number(value);
}

static json_t *activation(const tt_activation_size *a) {
  if (!a) return json_null();
  return json_pack("{s:s, s:i, s:I, s:o, s:o, s:I}", "name", a->name, "dim", a->dim, "numbers",
                   (json_int_t)a->size.count, "rms", number(tt_magnitude_rms(&a->size)), "largest",
                   number(a->size.largest), "not_finite", (json_int_t)a->size.not_finite);
}

static json_t *size(const tt_magnitude *m) {
  return json_pack("{s:o, s:o, s:I}", "norm", number(tt_magnitude_norm(m)), "largest", number(m->largest),
                   "not_finite", (json_int_t)m->not_finite);
}

static json_t *losses(const tt_update *u) {
  return json_pack("{s:o, s:o, s:o, s:o, s:o}", "loss", number(u->losses.loss), "loss_token",
                   number(u->losses.token), "loss_position", number(u->losses.position), "loss_distance",
                   number(u->losses.distance), "grad_norm", number(u->gradient_norm));
}

static json_t *layers(const tt_replay *r, const tt_replay_row *rows) {
  json_t *all = json_array();
  for (int k = 0; all && k < r->layers + 3; k++)
    json_array_append_new(all, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", rows[k].name, "atom_track",
                                         activation(rows[k].x), "pair_track", activation(rows[k].pair),
                                         "weights", size(&rows[k].weight), "gradient",
                                         size(&rows[k].gradient), "update", size(&rows[k].update)));
  return all;
}

static json_t *activations(const tt_replay *r) {
  json_t *all = json_array();
  for (int k = 0; all && k < r->activations.count; k++)
    json_array_append_new(all, activation(&r->activations.list[k]));
  return all;
}

static json_t *tensors(const tt_replay *r) {
  json_t *all = json_array();
  for (int i = 0; all && i < r->parameters.count; i++) {
    const tt_tensor_statistics *t = &r->parameters.list[i];
    json_array_append_new(all, json_pack("{s:s, s:o, s:o, s:o}", "name", t->name, "weights", size(&t->weight),
                                         "gradient", size(&t->gradient), "update", size(&t->update)));
  }
  return all;
}

json_t *tt_replay_json(const tt_replay *r, const tt_replay_request *q, const tt_replay_row *rows) {
  const tt_logged_update *logged = tt_replay_log_at(&r->log, q->step);
  char broken[200];
  tt_replay_first_broken(r, broken, sizeof broken);
  bool same = logged->there && tt_replay_log_same(&logged->update, &r->update);
  return json_pack(
      "{s:s, s:I, s:I, s:i, s:s, s:I, s:i, s:b, s:s?, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "run",
      q->run, "step", (json_int_t)q->step, "from", (json_int_t)r->from, "ranks", r->ranks, "backend",
      r->backend, "batch", (json_int_t)r->batch, "molecules", r->molecules, "applied", (int)r->finite,
      "first_not_finite", *broken ? broken : NULL, "losses", losses(&r->update), "logged",
      logged->there ? losses(&logged->update) : json_null(), "same_bits",
      logged->there ? json_boolean(same) : json_null(), "before_same", (json_int_t)r->same, "before_other",
      (json_int_t)r->other, "layers", layers(r, rows), "activations", activations(r), "tensors", tensors(r),
      "worst", tt_worst_json(r->worst, r->worst_count));
}
