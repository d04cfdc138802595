#include "train/activation_statistics.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static tt_activation_size *find(const tt_activation_statistics *s, const char *name) {
  for (int k = 0; k < s->count; k++)
    if (strcmp(s->list[k].name, name) == 0) return &s->list[k];
  return NULL;
}

// Every rank runs a piece or more, and all pieces have the same steps: so all lists are alike.
static void look(void *context, const char *name, bool gradient, tt_probe_rows rows, int dim,
                 const float *data) {
  tt_activation_statistics *s = context;
  if (gradient || rows == TT_PROBE_PROBABILITIES || s->status != TT_OK) return; // those are never large
  tt_activation_size *a = find(s, name);
  if (!a) {
    s->status = tt_reserve(&s->list, &s->room_, (size_t)s->count + 1, sizeof *s->list, "statistics");
    if (s->status != TT_OK) return;
    a = &s->list[s->count++];
    *a = (tt_activation_size){.dim = dim};
    snprintf(a->name, sizeof a->name, "%s", name);
  }
  const tt_batch *b = &s->trainer->batch;
  tt_magnitude_add(&a->size, data, tt_model_probe_rows(rows, b, b) * dim);
}

void tt_activations_begin(tt_activation_statistics *s, tt_trainer *t) {
  *s = (tt_activation_statistics){.trainer = t};
  tt_model_set_probe(t->model, look, s);
}

tt_status tt_activations_end(tt_activation_statistics *s, tt_trainer *t) {
  tt_model_set_probe(t->model, NULL, NULL);
  tt_magnitude *sizes = NULL;
  tt_status status = s->status;
  if (status == TT_OK) status = tt_alloc(&sizes, (size_t)s->count + 1, sizeof *sizes, "statistics");
  TT_TRY(tt_comm_agree(t->comm, status));
  for (int k = 0; k < s->count; k++) sizes[k] = s->list[k].size;
  status = tt_magnitude_combine(t->comm, sizes, s->count);
  for (int k = 0; status == TT_OK && k < s->count; k++) s->list[k].size = sizes[k];
  free(sizes);
  return status;
}

void tt_activations_free(tt_activation_statistics *s) {
  free(s->list);
  *s = (tt_activation_statistics){0};
}

const tt_activation_size *tt_activations_find(const tt_activation_statistics *s, const char *name) {
  return find(s, name);
}
