#include "padded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static h5_array read_i(hid_t file, const char *prefix, const char *name) {
  char path[128];
  snprintf(path, sizeof path, "%s%s", prefix, name);
  return h5_read_int64(file, path);
}

static h5_array read_f(hid_t file, const char *prefix, const char *name) {
  char path[128];
  snprintf(path, sizeof path, "%s%s", prefix, name);
  return h5_read_float(file, path);
}

static void *room(size_t count, size_t size) {
  void *p = calloc(count ? count : 1, size);
  if (!p) exit(2);
  return p;
}

static void pack(tt_batch *batch, tt_sample **samples, const int32_t *order, int first, int count,
                 const uint64_t *number, int length) {
  if (tt_batch_pack(batch, samples, order + first, count, number, order, TT_SCALING_BATCH, length) == TT_OK)
    return;
  fprintf(stderr, "cannot pack a batch: %s\n", tt_error_message());
  exit(2);
}

void padded_read(hid_t file, const char *prefix, const tt_comm *ranks, padded_batch *out) {
  h5_array token = read_i(file, prefix, "src_token"), target = read_i(file, prefix, "target_token");
  h5_array feat = read_i(file, prefix, "atom_feat"), degree = read_i(file, prefix, "degree");
  h5_array path = read_i(file, prefix, "shortest_path"), edge = read_i(file, prefix, "edge_feat");
  h5_array type = read_i(file, prefix, "pair_type");
  h5_array pos = read_f(file, prefix, "src_pos"), goal = read_f(file, prefix, "target_pos");
  int B = (int)token.shape[0], n = (int)token.shape[1];
  *out = (padded_batch){.molecules = B, .n = n};
  tt_sample *samples = room((size_t)B, sizeof *samples);
  tt_sample **pointers = room((size_t)B, sizeof *pointers);
  int32_t *order = room((size_t)B, sizeof *order);
  uint64_t *number = room((size_t)B, sizeof *number);
  for (int b = 0; b < B; b++) {
    int N = 0;
    while (N < n && token.i[b * n + N] != 0) N++;
    size_t a = (size_t)N;
    tt_sample *s = &samples[b];
    *s = (tt_sample){.record = (uint64_t)b,
                     .atoms = N,
                     .token = room(a, 1),
                     .target = room(a, 1),
                     .atom_input = room(a * 8, 2),
                     .degree = room(a, 2),
                     .path = room(a * a, 2),
                     .edge = room(a * a * 3, 1),
                     .pair_class = room(a, 1),
                     .position = room(a * 3, sizeof(float)),
                     .target_position = room(a * 3, sizeof(float))};
    for (int i = 0; i < N; i++) {
      int64_t at = (int64_t)b * n + i;
      s->token[i] = (uint8_t)token.i[at];
      s->target[i] = (uint8_t)target.i[at];
      s->masked += s->target[i] != 0;
      for (int k = 0; k < 8; k++) s->atom_input[i * 8 + k] = (uint16_t)feat.i[at * 8 + k];
      s->degree[i] = (uint16_t)degree.i[at];
      memcpy(s->position + 3 * i, pos.f + 3 * at, 3 * sizeof(float));
      memcpy(s->target_position + 3 * i, goal.f + 3 * at, 3 * sizeof(float));
      s->pair_class[i] = (uint8_t)(type.i[(at * n + i) * 2] - 1);
      for (int j = 0; j < N; j++) {
        s->path[i * N + j] = (uint16_t)path.i[at * n + j];
        for (int k = 0; k < 3; k++) s->edge[(i * N + j) * 3 + k] = (uint8_t)edge.i[(at * n + j) * 3 + k];
      }
    }
    pointers[b] = s;
    order[b] = b;
    number[b] = (uint64_t)b;
  }
  pack(&out->batch, pointers, order, 0, B, number, n + 1);
  out->share = room((size_t)ranks->size, sizeof *out->share);
  for (int r = 0; r < ranks->size; r++) out->share[r] = B * (r + 1) / ranks->size - B * r / ranks->size;
  if (ranks->size > 1)
    pack(&out->own, pointers, order, B * ranks->rank / ranks->size, out->share[ranks->rank], number, n + 1);
  for (int b = 0; b < B; b++) {
    tt_sample *s = &samples[b];
    void *parts[] = {s->token, s->target,     s->atom_input, s->degree,         s->path,
                     s->edge,  s->pair_class, s->position,   s->target_position};
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) free(parts[k]);
  }
  void *all[] = {samples,     pointers,  order,     number,    token.data, target.data, feat.data,
                 degree.data, path.data, edge.data, type.data, pos.data,   goal.data};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
}

void padded_free(padded_batch *b) {
  tt_batch_free(&b->batch);
  tt_batch_free(&b->own);
  free(b->share);
}

tt_piece padded_piece(const padded_batch *b) {
  if (b->share[0] == b->molecules) return tt_piece_alone(&b->batch);
  return (tt_piece){&b->own, &b->batch, b->share};
}

tt_model_config padded_config(hid_t file) {
  tt_model_config c = {
      .layers = (int)h5_read_attribute(file, "/", "encoder_layers"),
      .embed_dim = (int)h5_read_attribute(file, "/", "encoder_embed_dim"),
      .heads = (int)h5_read_attribute(file, "/", "encoder_attention_heads"),
      .pair_dim = (int)h5_read_attribute(file, "/", "pair_embed_dim"),
      .pair_hidden = (int)h5_read_attribute(file, "/", "pair_hidden_dim"),
      .ffn_dim = (int)h5_read_attribute(file, "/", "encoder_ffn_embed_dim"),
      .scaling_length = TT_SCALING_BATCH,
  };
  return c;
}
