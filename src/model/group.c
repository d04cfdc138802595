// What crosses between the ranks of a tensor group in a pass, with the stopwatch and the counters set.
#include "comm/group.h"
#include "model/activations.h"

// Returns the part that was running.
static tt_part begin(const tt_pass *p, tt_traffic_kind kind) {
  tt_part part = p->m->watch.now;
  tt_comm_count_as(p->m->group, kind);
  tt_enter(p, TT_PART_COMMUNICATION);
  return part;
}

int64_t tt_rows_before(const tt_pass *p) {
  int64_t rows = 0;
  for (int r = 0; r < p->m->place; r++) rows += p->m->token_rows[r];
  return rows;
}

void tt_gather_tokens(const tt_pass *p, int64_t dim, tt_activation *all) {
  if (tt_alone(p)) return;
  tt_part part = begin(p, TT_TRAFFIC_TOKENS);
  tt_group_gather(p->m->group, p->m->token_rows, dim, p->m->ops->activation_size, all);
  tt_enter(p, part);
}

void tt_sum_tokens(const tt_pass *p, int64_t dim, tt_activation *partial, tt_activation *own) {
  tt_part part = begin(p, TT_TRAFFIC_TOKENS);
  tt_group_sum(p->m->group, p->m->token_rows, dim, p->m->ops->activation_size, partial, own, p->m->exchange);
  tt_enter(p, part);
}

void tt_gather_movements(const tt_pass *p, float *all) {
  if (tt_alone(p)) return;
  tt_part part = begin(p, TT_TRAFFIC_TOKENS);
  tt_group_gather(p->m->group, p->m->token_rows, 3, sizeof(float), all);
  tt_enter(p, part);
}

void tt_sum_movements(const tt_pass *p, float *partial, float *own) {
  tt_part part = begin(p, TT_TRAFFIC_TOKENS);
  tt_group_sum(p->m->group, p->m->token_rows, 3, sizeof(float), partial, own, p->m->exchange);
  tt_enter(p, part);
}

void tt_bias_to_heads(const tt_pass *p) {
  tt_model *m = p->m;
  if (tt_alone(p)) return;
  tt_part part = begin(p, TT_TRAFFIC_BIAS);
  tt_group_to_columns(m->group, m->pair_rows, m->config.heads, m->ops->activation_size, m->bias, m->bias_all,
                      m->exchange);
  tt_enter(p, part);
}

void tt_bias_to_pairs(const tt_pass *p) {
  tt_model *m = p->m;
  if (tt_alone(p)) return;
  tt_part part = begin(p, TT_TRAFFIC_BIAS);
  tt_group_to_rows(m->group, m->pair_rows, m->config.heads, m->ops->activation_size, m->bias_all, m->bias,
                   m->exchange);
  tt_enter(p, part);
}

void tt_token_map_backward(const tt_pass *p, const tt_activation *dy, const tt_activation *x_all,
                           tt_affine norm, tt_statistics s, int out, tt_affine at) {
  tt_model *m = p->m;
  int64_t dim = m->config.embed_dim, rows = p->batch_all->tokens;
  if (tt_alone(p)) {
    tt_norm_map_backward(p, dy, x_all, rows, (int)dim, norm, s, out, at, m->dx);
    return;
  }
  p->ops->zero_activations(m->rows_all, rows * dim);
  tt_norm_map_backward(p, dy, x_all, rows, (int)dim, norm, s, out, at, m->rows_all);
  tt_sum_tokens(p, dim, m->rows_all, m->token1);
  p->ops->add_activations(m->token1, p->batch->tokens * dim, m->dx);
}
