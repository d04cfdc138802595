#include "train/worst.h"

#include <math.h>

#include "train/runlog.h"

static tt_worst describe(const tt_trainer *t, const tt_global_batch *b, int i) {
  const tt_train_config *k = &t->config->train;
  const tt_molecule_losses *l = &t->work.sorted[i];
  double both = k->position_loss_weight * l->position + k->distance_loss_weight * l->distance;
  double token = b->masked ? k->token_loss_weight * l->token / (double)b->masked : 0;
  return (tt_worst){.index = i,
                    .record = b->record[i],
                    .epoch = b->epoch[i],
                    .atoms = b->atoms[i],
                    .masked = l->masked,
                    .token = l->masked ? l->token / l->masked : 0,
                    .position = l->position,
                    .distance = l->distance,
                    .share = token + both / b->count};
}

static bool worse(const tt_worst *a, const tt_worst *b) {
  bool a_finite = isfinite(a->share), b_finite = isfinite(b->share);
  return a_finite != b_finite ? b_finite : a_finite && a->share > b->share;
}

int tt_worst_find(const tt_trainer *t, const tt_global_batch *b, int most, tt_worst *list) {
  int count = 0;
  for (int i = 0; i < b->count; i++) {
    tt_worst w = describe(t, b, i);
    int at = count;
    while (at > 0 && worse(&w, &list[at - 1])) at--;
    if (at == most) continue;
    if (count < most) count++;
    for (int k = count - 1; k > at; k--) list[k] = list[k - 1];
    list[at] = w;
  }
  return count;
}

json_t *tt_worst_json(const tt_worst *list, int count) {
  json_t *all = json_array();
  for (int k = 0; all && k < count; k++) {
    const tt_worst *w = &list[k];
    json_t *one = json_pack("{s:i, s:I, s:I, s:i, s:i, s:o, s:o, s:o, s:o}", "index", w->index, "record",
                            (json_int_t)w->record, "epoch", (json_int_t)w->epoch, "atoms", w->atoms, "masked",
                            w->masked, "loss_token", tt_runlog_number(w->token), "loss_position",
                            tt_runlog_number(w->position), "loss_distance", tt_runlog_number(w->distance),
                            "share", tt_runlog_number(w->share));
    if (!one || json_array_append_new(all, one) != 0) {
      json_decref(all);
      all = NULL;
    }
  }
  return all;
}
