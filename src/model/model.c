// Making a model, and the order of a pass.
#include "model/model.h"

#include <stdlib.h>

#include "comm/group.h"
#include "core/memory.h"
#include "model/activations.h"

static tt_status check_group(const tt_model_config *config, int ranks) {
  if (ranks == 1 || (config->heads >= ranks && config->ffn_dim % (8 * ranks) == 0)) return TT_OK;
  return tt_fail(TT_ERR_CONFIG,
                 "parallel.tensor = %d ranks cannot share %d heads (model.heads: one a rank at least) and "
                 "model.ffn_dim = %d (equal shares in eights, as dropout is drawn)",
                 ranks, config->heads, config->ffn_dim);
}

static tt_status build(tt_model *m) {
  TT_TRY(check_group(&m->config, m->ranks));
  TT_TRY(tt_alloc(&m->layers, (size_t)m->config.layers + 1, sizeof *m->layers, "the model"));
  TT_TRY(tt_alloc(&m->token_rows, 2 * (size_t)m->ranks, sizeof *m->token_rows, "the model"));
  m->pair_rows = m->token_rows + m->ranks;
  TT_TRY(tt_parameters_build(&m->parameters, &m->config, m->ranks, m->place));
  m->means = m->ops->allocate(TT_GAUSSIANS * sizeof *m->means);
  if (m->means == NULL) return tt_fail(TT_ERR_MEMORY, "out of memory for the model");
  float means[TT_GAUSSIANS];
  tt_gaussian_means(means);
  tt_model_set_means(m, means);
  m->gaussian_std = means[1] - means[0]; // fp32, as upstream
  return tt_places_find(&m->places, &m->parameters, m->config.layers);
}

tt_status tt_model_create(tt_model **model, const tt_model_config *config, const tt_ops *ops,
                          const tt_comm *group) {
  tt_model *m = *model = calloc(1, sizeof *m);
  if (!m) return tt_fail(TT_ERR_MEMORY, "out of memory for the model");
  m->config = *config;
  m->ops = ops;
  m->ranks = 1;
  if (group != NULL && group->size > 1) m->group = group, m->ranks = group->size, m->place = group->rank;
  m->first_head = (int)tt_group_share(config->heads, m->ranks, m->place);
  m->own_heads = (int)tt_group_share(config->heads, m->ranks, m->place + 1) - m->first_head;
  tt_status status = build(m);
  if (status != TT_OK) {
    tt_model_free(m);
    *model = NULL;
  }
  return status;
}

void tt_model_free(tt_model *m) {
  if (!m) return;
  tt_places_free(&m->places);
  tt_parameters_free(&m->parameters);
  free(m->layers);
  free(m->token_rows);
  if (m->ops != NULL) {
    m->ops->release(m->memory), m->ops->release(m->scratch), m->ops->release(m->means);
  }
  tt_device_batch_free(m->ops, &m->own_batch);
  tt_device_batch_free(m->ops, &m->all_batch);
  free(m);
}

const tt_parameters *tt_model_parameters(const tt_model *m) {
  return &m->parameters;
}
const tt_model_config *tt_model_configuration(const tt_model *m) {
  return &m->config;
}
tt_stopwatch *tt_model_stopwatch(tt_model *m) {
  return &m->watch;
}
size_t tt_model_bytes(const tt_model *m) {
  return m->used;
}

void tt_model_set_means(tt_model *m, const float means[TT_GAUSSIANS]) {
  m->ops->upload(means, TT_GAUSSIANS * sizeof *means, m->means);
}

void tt_model_set_recompute(tt_model *m, bool recompute) {
  m->recompute = recompute;
}

void tt_model_set_layer_done(tt_model *m, tt_layer_done done, void *context) {
  m->layer_done = done;
  m->layer_done_context = context;
}

void tt_model_set_probe(tt_model *m, tt_probe probe, void *context) {
  m->probe = probe;
  m->probe_context = context;
}

static tt_status run(const tt_pass *p, const tt_piece *piece, const tt_loss_scale *scale,
                     const tt_piece_losses *losses) {
  tt_model *m = p->m;
  m->probe_status = TT_OK;
  TT_TRY(tt_buffers_make(m, m->recompute || !scale, piece));
  tt_enter(p, TT_PART_EMBEDDING);
  tt_embedding_forward(p);
  for (int l = 0; l < m->config.layers; l++) tt_block_forward(p, l);
  tt_enter(p, TT_PART_HEADS);
  tt_heads(p, scale, losses);
  if (scale) {
    for (int l = m->config.layers - 1; l >= 0; l--) {
      if (m->recompute && l < m->config.layers - 1)
        tt_block_recompute(p, l); // the last layer's are still there
      tt_block_backward(p, l);
      if (m->layer_done) m->layer_done(m->layer_done_context, l);
    }
    tt_enter(p, TT_PART_EMBEDDING);
    tt_embedding_backward(p);
  }
  tt_enter(p, TT_PART_OTHER);
  return m->probe_status;
}

static tt_pass pass_over(tt_model *m, const tt_piece *piece, const float *weights) {
  const tt_batch *own = &m->own_batch.batch;
  return (tt_pass){.m = m,
                   .ops = m->ops,
                   .batch = own,
                   .batch_all = piece->all == piece->own ? own : &m->all_batch.batch,
                   .w = weights};
}

tt_status tt_model_evaluate(tt_model *m, const float *weights, const tt_piece *piece,
                            const tt_piece_losses *losses) {
  tt_pass pass = pass_over(m, piece, weights);
  return run(&pass, piece, NULL, losses);
}

tt_status tt_model_train(tt_model *m, const float *weights, const tt_piece *piece, uint64_t seed,
                         uint64_t step, const tt_loss_scale *scale, float *gradient,
                         const tt_piece_losses *losses) {
  tt_pass pass = pass_over(m, piece, weights);
  pass.g = gradient, pass.dropout = true, pass.seed = seed, pass.step = step;
  return run(&pass, piece, scale, losses);
}
