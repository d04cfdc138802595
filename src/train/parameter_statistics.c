#include "train/parameter_statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum { KINDS = 3, PIECE = 4096 };

tt_status tt_parameters_look(tt_parameter_statistics *s, const tt_trainer *t) {
  *s = (tt_parameter_statistics){.count = t->parameters->count};
  TT_TRY(tt_alloc(&s->list, (size_t)s->count, sizeof *s->list, "statistics"));
  TT_TRY(tt_alloc(&s->before, (size_t)t->shards.own, sizeof *s->before, "a copy of the weights"));
  for (int i = 0; i < s->count; i++)
    snprintf(s->list[i].name, sizeof s->list[i].name, "%s", t->parameters->list[i].name);
  tt_trainer_settle(t);
  for (int k = 0; k < t->shards.count; k++) {
    const tt_shard *shard = &t->shards.list[k];
    memcpy(s->before + shard->own, t->weights + shard->first, (size_t)shard->count * sizeof *s->before);
  }
  return TT_OK;
}

static void add_difference(tt_magnitude *m, const float *after, const float *before, int64_t count) {
  float difference[PIECE];
  for (int64_t at = 0; at < count; at += PIECE) {
    int64_t n = count - at < PIECE ? count - at : PIECE;
    for (int64_t i = 0; i < n; i++) difference[i] = after[at + i] - before[at + i];
    tt_magnitude_add(m, difference, n);
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
    tt_magnitude *m = sizes + KINDS * r->index;
    tt_magnitude_add(&m[0], s->before + walk.own, r->count);
    tt_magnitude_add(&m[1], gradient + r->offset, r->count);
    add_difference(&m[2], t->weights + r->offset, s->before + walk.own, r->count);
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
