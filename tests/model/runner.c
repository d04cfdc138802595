#include "runner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/cuda.h"
#include "whole.h"

static void *room(size_t count, size_t size) {
  void *p = calloc(count ? count : 1, size);
  if (!p) exit(2);
  return p;
}

static void read_weights(runner *r, hid_t file) {
  for (int k = 0; k < r->parameters.count; k++) {
    const tt_parameter *p = &r->parameters.list[k];
    char path[128];
    snprintf(path, sizeof path, "weights/%s", p->name);
    h5_array w = h5_read_float(file, path);
    if (w.count != p->count) {
      fprintf(stderr, "%s has %lld values, the model's has %lld\n", path, (long long)w.count,
              (long long)p->count);
      exit(2);
    }
    memcpy(r->weights + p->offset, w.f, (size_t)w.count * sizeof(float));
    free(w.data);
  }
}

static void mark_decayed(runner *r) {
  uint8_t *decayed = room((size_t)r->own->total, 1);
  for (int k = 0; k < r->own->count; k++)
    memset(decayed + r->own->list[k].offset, r->own->list[k].decayed, (size_t)r->own->list[k].count);
  r->ops->upload(decayed, (size_t)r->own->total, r->decayed);
  free(decayed);
}

const tt_ops *runner_backend(const char *device, tt_precision precision) {
  const tt_ops *ops = NULL;
  if (strcmp(device, "cpu") == 0)
    ops = tt_ops_cpu(precision);
  else if (tt_cuda_start(0) == TT_OK)
    ops = tt_ops_cuda(precision);
  if (ops) return ops;
  fprintf(stderr, "%s\n", tt_error_message());
  exit(2);
}

// Memory of the backend, zeros.
static void *backend_room(const runner *r, size_t count, size_t size) {
  size_t bytes = (count ? count : 1) * size;
  void *p = r->ops->allocate(bytes), *zeros = room(bytes, 1);
  if (!p) exit(2);
  r->ops->upload(zeros, bytes, p);
  free(zeros);
  return p;
}

static void read_back(const runner *r, const void *from, int64_t count, size_t size, void *to) {
  r->ops->download(from, (size_t)count * size, to);
}

// The share of what all hold together.
static void hand_out(runner *r, const float *whole, float *held) {
  whole_share(r->own, &r->parameters, whole, r->host);
  r->ops->upload(r->host, (size_t)r->own->total * sizeof *held, held);
}

static void join(runner *r, bool parts, const float *held, float *whole) {
  read_back(r, held, r->own->total, sizeof *held, r->host);
  whole_join(r->group, r->own, &r->parameters, parts, r->host, whole);
}

void runner_start(runner *r, hid_t file, const tt_ops *ops, const tt_comm *group) {
  *r = (runner){.ops = ops, .group = group};
  tt_model_config config = padded_config(file);
  if (tt_model_create(&r->model, &config, r->ops, group) != TT_OK ||
      tt_parameters_build(&r->parameters, &config, 1, 0) != TT_OK) {
    fprintf(stderr, "%s\n", tt_error_message());
    exit(2);
  }
  r->own = tt_model_parameters(r->model);
  size_t held = (size_t)r->own->total, all = (size_t)r->parameters.total;
  r->held = backend_room(r, held, sizeof(float));
  r->partial = backend_room(r, held, sizeof(float));
  r->m = backend_room(r, held, sizeof(float));
  r->v = backend_room(r, held, sizeof(float));
  r->decayed = backend_room(r, held, 1);
  r->weights = room(all, sizeof(float));
  r->gradient = room(all, sizeof(float));
  r->host = room(held, sizeof(float));
  read_weights(r, file);
  mark_decayed(r);
  hand_out(r, r->weights, r->held);
  r->ops->weights_changed(r->held, r->own->total);
  h5_array means = h5_read_float(file, "weights/se3_invariant_kernel.gaussian.mean");
  tt_model_set_means(r->model, means.f);
  free(means.data);
}

void runner_free(runner *r) {
  tt_model_free(r->model);
  tt_parameters_free(&r->parameters);
  void *all[] = {r->held, r->partial, r->m, r->v, r->decayed};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) r->ops->release(all[k]);
  free(r->weights), free(r->gradient), free(r->host);
}

// The ranks' molecules together.
static void add_losses(runner *r) {
  double terms[] = {r->token, r->position, r->distance}, sums[3];
  memcpy(sums, terms, sizeof sums);
  if (r->group->size > 1) MPI_Allreduce(terms, sums, 3, MPI_DOUBLE, MPI_SUM, r->group->mpi);
  r->token = sums[0], r->position = sums[1], r->distance = sums[2];
}

void runner_pass(runner *r, const padded_batch *b) {
  tt_piece piece = padded_piece(b);
  const tt_batch *own = piece.own;
  double *token = backend_room(r, (size_t)own->masked, sizeof *token);
  double *position = backend_room(r, (size_t)own->molecules, sizeof *position);
  double *distance = backend_room(r, (size_t)own->molecules, sizeof *distance);
  tt_loss_scale scale = {b->batch.masked ? 1.0 / (double)b->batch.masked : 0, 1.0 / b->molecules,
                         1.0 / b->molecules};
  r->ops->zero(r->partial, r->own->total);
  tt_piece_losses losses = {token, position, distance};
  if (tt_model_train(r->model, r->held, &piece, 0, 0, &scale, r->partial, &losses) != TT_OK) {
    fprintf(stderr, "%s\n", tt_error_message());
    exit(2);
  }
  join(r, true, r->partial, r->gradient);
  size_t masked = (size_t)own->masked, molecules = (size_t)own->molecules;
  double *of_token = room(masked + 2 * molecules + 1, sizeof *of_token);
  double *of_position = of_token + masked, *of_distance = of_position + molecules;
  read_back(r, token, own->masked, sizeof *token, of_token);
  read_back(r, position, own->molecules, sizeof *position, of_position);
  read_back(r, distance, own->molecules, sizeof *distance, of_distance);
  r->token = r->position = r->distance = 0;
  for (int64_t k = 0; k < own->masked; k++) r->token += of_token[k] * scale.token;
  for (int k = 0; k < own->molecules; k++) {
    r->position += of_position[k] * scale.position;
    r->distance += of_distance[k] * scale.distance;
  }
  add_losses(r);
  r->loss = r->token + r->position + r->distance;
  free(of_token);
  r->ops->release(token), r->ops->release(position), r->ops->release(distance);
}

double runner_gradient_norm(const runner *r) {
  return sqrt(tt_ops_cpu(TT_FP32)->sum_squares(r->gradient, r->parameters.total));
}

void runner_update(runner *r, double lr) {
  double clip = 1.0 / (runner_gradient_norm(r) + 1e-6), t = (double)++r->updates;
  double rate = lr * sqrt(1 - pow(0.99, t)) / (1 - pow(0.9, t));
  hand_out(r, r->gradient, r->partial);
  r->ops->adam(r->own->total, r->held, r->partial, r->m, r->v, r->decayed, (float)(clip < 1 ? clip : 1),
               (float)rate, (float)(lr * 1e-4), 0.9f, 0.99f, 1e-6f);
  r->ops->weights_changed(r->held, r->own->total);
  join(r, false, r->held, r->weights);
}
