#include "train/parameter_statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum { KINDS = 3, PIECE = 1 << 14 };

tt_status tt_parameters_look(tt_parameter_statistics *s, const tt_trainer *t) {
  *s = (tt_parameter_statistics){.count = t->parameters->count};
  TT_TRY(tt_alloc(&s->list, (size_t)s->count, sizeof *s->list, "statistics"));
  TT_TRY(tt_alloc(&s->before, (size_t)t->shards.own, sizeof *s->before, "a copy of the weights"));
  for (int i = 0; i < s->count; i++)
    snprintf(s->list[i].name, sizeof s->list[i].name, "%s", t->parameters->list[i].name);
  tt_trainer_settle(t);
  for (int k = 0; k < t->shards.count; k++) {
    const tt_shard *shard = &t->shards.list[k];
    t->ops->download(t->weights + shard->first, (size_t)shard->count * sizeof *s->before,
                     s->before + shard->own);
  }
  return TT_OK;
}

// Of `count` elements that the rank owns: weights before, gradient, difference of the weights.
static void add(const tt_ops *ops, const float *before, const float *gradient, const float *after,
                int64_t count, tt_magnitude m[KINDS]) {
  float g[PIECE], w[PIECE];
  for (int64_t at = 0; at < count; at += PIECE) {
    int64_t n = count - at < PIECE ? count - at : PIECE;
    ops->download(gradient + at, (size_t)n * sizeof *g, g);
    ops->download(after + at, (size_t)n * sizeof *w, w);
    for (int64_t i = 0; i < n; i++) w[i] -= before[at + i];
    tt_magnitude_add(&m[0], before + at, n);
    tt_magnitude_add(&m[1], g, n);
    tt_magnitude_add(&m[2], w, n);
  }
}

tt_status tt_parameters_compare(tt_parameter_statistics *s, const tt_trainer *t) {
  tt_magnitude *sizes = NULL;
  size_t n = (size_t)s->count;
  TT_TRY(tt_comm_agree(t->comm, tt_alloc(&sizes, KINDS * n, sizeof *sizes, "statistics")));
  tt_trainer_settle(t);
  // the sum over all leaves, of what this rank owns: nothing has cleared it since
  const float *gradient = tt_tree_root(&t->tree);
  for (tt_own_walk walk = {0}; tt_shards_next(&t->shards, t->parameters, &walk);) {
    const tt_run_of_elements *r = &walk.run;
    add(t->ops, s->before + walk.own, gradient + r->offset, t->weights + r->offset, r->count,
        sizes + KINDS * r->index);
  }
  tt_status status = tt_magnitude_combine(t->comm, sizes, KINDS * s->count);
  for (size_t i = 0; status == TT_OK && i < n; i++) {
    const tt_magnitude *m = sizes + KINDS * i;
    s->list[i].weight = m[0], s->list[i].gradient = m[1], s->list[i].update = m[2];
  }
  free(sizes);
  return status;
}

void tt_parameters_statistics_free(tt_parameter_statistics *s) {
  free(s->list);
  free(s->before);
  *s = (tt_parameter_statistics){0};
}
