#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/replay_print.h"

// embedding, layers, token head, movement head
static int row_of(const tt_replay *r, const char *tensor) {
  int layer;
  if (sscanf(tensor, "encoder.layers.%d.", &layer) == 1) return 1 + layer;
  if (strncmp(tensor, "lm_head.", 8) == 0) return 1 + r->layers;
  if (strncmp(tensor, "movement_pred_head.", 19) == 0) return 2 + r->layers;
  return 0;
}

static void name_row(const tt_replay *r, int k, tt_replay_row *row) {
  char x[40] = "x_in", pair[40] = "pair_in";
  if (k == 0)
    snprintf(row->name, sizeof row->name, "embedding");
  else if (k > r->layers) {
    bool tokens = k == 1 + r->layers;
    snprintf(row->name, sizeof row->name, tokens ? "token head" : "movement head");
    snprintf(x, sizeof x, tokens ? "logits" : "movement");
    pair[0] = 0;
  } else {
    snprintf(row->name, sizeof row->name, "layer %d", k - 1);
    snprintf(x, sizeof x, "layer%d.x", k - 1), snprintf(pair, sizeof pair, "layer%d.pair", k - 1);
  }
  row->x = tt_activations_find(&r->activations, x);
  row->pair = tt_activations_find(&r->activations, pair);
}

tt_replay_row *tt_replay_rows(const tt_replay *r) {
  tt_replay_row *rows = calloc((size_t)r->layers + 3, sizeof *rows);
  if (!rows) return NULL;
  for (int k = 0; k < r->layers + 3; k++) name_row(r, k, &rows[k]);
  for (int i = 0; i < r->parameters.count; i++) {
    const tt_tensor_statistics *t = &r->parameters.list[i];
    tt_replay_row *row = &rows[row_of(r, t->name)];
    tt_magnitude_join(&row->weight, &t->weight);
    tt_magnitude_join(&row->gradient, &t->gradient);
    tt_magnitude_join(&row->update, &t->update);
  }
  return rows;
}

void tt_replay_first_broken(const tt_replay *r, char *text, size_t size) {
  text[0] = 0;
  for (int k = 0; k < r->activations.count; k++) {
    const tt_activation_size *a = &r->activations.list[k];
    if (a->size.not_finite > 0) {
      snprintf(text, size, "forward, %s: %.0f of %.0f numbers", a->name, a->size.not_finite, a->size.count);
      return;
    }
  }
  const tt_tensor_statistics *first = NULL;
  int best = -1;
  for (int i = 0; i < r->parameters.count; i++) {
    const tt_tensor_statistics *t = &r->parameters.list[i];
    int row = row_of(r, t->name); // the backward goes through the rows from the last one
    if (t->gradient.not_finite > 0 && row > best) best = row, first = t;
  }
  if (first)
    snprintf(text, size, "backward, gradient of %s: %.0f of %.0f numbers", first->name,
             first->gradient.not_finite, first->gradient.count);
}
