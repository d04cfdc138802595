#include "runner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *room(size_t count, size_t size) {
  void *p = calloc(count ? count : 1, size);
  if (!p) exit(2);
  return p;
}

void runner_start(runner *r, hid_t file, tt_precision precision) {
  *r = (runner){.ops = tt_ops_cpu(precision)};
  tt_model_config config = padded_config(file);
  if (!r->ops || tt_model_create(&r->model, &config, r->ops, NULL) != TT_OK) {
    fprintf(stderr, "%s\n", tt_error_message());
    exit(2);
  }
  r->parameters = tt_model_parameters(r->model);
  size_t total = (size_t)r->parameters->total;
  r->weights = room(total, sizeof(float));
  r->gradient = room(total, sizeof(float));
  r->m = room(total, sizeof(float));
  r->v = room(total, sizeof(float));
  r->decayed = room(total, 1);
  for (int k = 0; k < r->parameters->count; k++) {
    const tt_parameter *p = &r->parameters->list[k];
    char path[128];
    snprintf(path, sizeof path, "weights/%s", p->name);
    h5_array w = h5_read_float(file, path);
    if (w.count != p->count) {
      fprintf(stderr, "%s has %lld values, the model's has %lld\n", path, (long long)w.count,
              (long long)p->count);
      exit(2);
    }
    memcpy(r->weights + p->offset, w.f, (size_t)w.count * sizeof(float));
    memset(r->decayed + p->offset, p->decayed, (size_t)p->count);
    free(w.data);
  }
  h5_array means = h5_read_float(file, "weights/se3_invariant_kernel.gaussian.mean");
  tt_model_set_means(r->model, means.f);
  free(means.data);
}

void runner_free(runner *r) {
  tt_model_free(r->model);
  void *all[] = {r->weights, r->gradient, r->m, r->v, r->decayed};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
}

void runner_pass(runner *r, const padded_batch *b) {
  const tt_batch *batch = &b->batch;
  double *token = room((size_t)batch->masked, sizeof *token);
  double *position = room((size_t)batch->molecules, sizeof *position);
  double *distance = room((size_t)batch->molecules, sizeof *distance);
  tt_loss_scale scale = {batch->masked ? 1.0 / (double)batch->masked : 0, 1.0 / b->molecules,
                         1.0 / b->molecules};
  memset(r->gradient, 0, (size_t)r->parameters->total * sizeof(float));
  tt_piece_losses losses = {token, position, distance};
  tt_piece piece = tt_piece_alone(batch);
  if (tt_model_train(r->model, r->weights, &piece, 0, 0, &scale, r->gradient, &losses) != TT_OK) {
    fprintf(stderr, "%s\n", tt_error_message());
    exit(2);
  }
  r->token = r->position = r->distance = 0;
  for (int64_t k = 0; k < batch->masked; k++) r->token += token[k] * scale.token;
  for (int k = 0; k < batch->molecules; k++) {
    r->position += position[k] * scale.position;
    r->distance += distance[k] * scale.distance;
  }
  r->loss = r->token + r->position + r->distance;
  free(token);
  free(position);
  free(distance);
}

double runner_gradient_norm(const runner *r) {
  return sqrt(r->ops->sum_squares(r->gradient, r->parameters->total));
}

void runner_update(runner *r, double lr) {
  double clip = 1.0 / (runner_gradient_norm(r) + 1e-6), t = (double)++r->updates;
  double rate = lr * sqrt(1 - pow(0.99, t)) / (1 - pow(0.9, t));
  r->ops->adam(r->parameters->total, r->weights, r->gradient, r->m, r->v, r->decayed,
               (float)(clip < 1 ? clip : 1), (float)rate, (float)(lr * 1e-4), 0.9f, 0.99f, 1e-6f);
}
