// The batches of cases: random features and positions, and every third atom masked.
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/philox.h"
#include "opbench/opcase.h"
#include "opbench/opbench.h"

enum { MOST_ATOMS = 140, DIFFERENT = 8, MOST_MOLECULES = 128 };

static const struct {
  int molecules, atoms[DIFFERENT];
} batches[TT_OP_BATCHES] = {
    [TT_OP_FIVE] = {5, {1, 2, 7, 13, 5}},
    [TT_OP_ONE_ATOM] = {1, {1}},
    [TT_OP_SEVEN] = {7, {1, 2, 7, 13, 5, 19, 3}},
    [TT_OP_ONE_PLACE] = {1, {2}},
    [TT_OP_AT_TARGET] = {1, {2}},
    [TT_OP_REAL] = {8, {20, 9, 31, 17, 23, 40, 14, 26}},
    [TT_OP_MANY] = {MOST_MOLECULES, {20, 9, 31, 17, 23, 40, 14, 26}},
    [TT_OP_LONG] = {2, {33, 140}},
    [TT_OP_NONE] = {0, {0}},
};

// One molecule; the arrays that a tt_sample points to.
typedef struct {
  tt_sample sample;
  uint8_t token[MOST_ATOMS], target[MOST_ATOMS], pair_class[MOST_ATOMS], edge[3 * MOST_ATOMS * MOST_ATOMS];
  uint16_t atom_input[MOST_ATOMS * TT_ATOM_INPUTS], degree[MOST_ATOMS], path[MOST_ATOMS * MOST_ATOMS];
  float position[3 * MOST_ATOMS], target_position[3 * MOST_ATOMS];
} molecule;

typedef struct {
  uint64_t next;
} source;

static double uniform(source *s) {
  return (double)(tt_mix64(s->next++) >> 11) * 0x1p-53;
}
static int below(source *s, int n) {
  return (int)(uniform(s) * n);
}

static void fill_pair(source *s, uint16_t *path, uint8_t *e) {
  *path = (uint16_t)(1 + below(s, 9));
  if (below(s, 2)) // no bond
    e[0] = e[1] = e[2] = 2;
  else
    e[0] = (uint8_t)(4 + below(s, 4)), e[1] = (uint8_t)(20 + below(s, 6)), e[2] = (uint8_t)(36 + below(s, 2));
}

static void fill(molecule *m, int atoms, source *s) {
  m->sample = (tt_sample){.atoms = atoms,
                          .token = m->token,
                          .target = m->target,
                          .atom_input = m->atom_input,
                          .degree = m->degree,
                          .path = m->path,
                          .edge = m->edge,
                          .pair_class = m->pair_class,
                          .position = m->position,
                          .target_position = m->target_position};
  for (int i = 0; i < atoms; i++) {
    bool masked = i % 3 == 0;
    m->sample.masked += masked;
    m->target[i] = (uint8_t)(masked ? 1 + below(s, 118) : 0);
    m->token[i] = (uint8_t)(masked ? TT_MASK_TOKEN : 1 + below(s, 118));
    m->degree[i] = (uint16_t)(1 + below(s, 6));
    m->pair_class[i] = (uint8_t)(3 + below(s, 3));
    for (int k = 0; k < TT_ATOM_INPUTS; k++)
      m->atom_input[i * TT_ATOM_INPUTS + k] = (uint16_t)(3 + 16 * k + below(s, 4));
    for (int k = 0; k < 3; k++) {
      m->target_position[3 * i + k] = (float)(4 * uniform(s) - 2);
      m->position[3 * i + k] = m->target_position[3 * i + k] + (float)(uniform(s) - 0.5);
    }
    for (int j = 0; j < atoms; j++) fill_pair(s, &m->path[i * atoms + j], &m->edge[3 * (i * atoms + j)]);
  }
}

static tt_status pack(tt_batch *batch, tt_op_molecules which) {
  static molecule molecules[DIFFERENT];
  tt_sample *samples[MOST_MOLECULES];
  uint64_t number[MOST_MOLECULES];
  int32_t order[MOST_MOLECULES];
  source s = {(uint64_t)which << 32};
  for (int m = 0; m < batches[which].molecules; m++) {
    if (m < DIFFERENT) fill(&molecules[m], batches[which].atoms[m], &s);
    samples[m] = &molecules[m % DIFFERENT].sample, order[m] = m;
    number[m] = 1000 + (uint64_t)m + ((uint64_t)m << 33); // some need more than 32 bits
  }
  TT_TRY(
      tt_batch_pack(batch, samples, order, batches[which].molecules, number, order, TT_SCALING_MOLECULE, 0));
  if (which == TT_OP_ONE_PLACE) memcpy(batch->position + 6, batch->position + 3, 3 * sizeof(float));
  if (which == TT_OP_AT_TARGET) memcpy(batch->position, batch->target_position, 9 * sizeof(float));
  return TT_OK;
}

const tt_batch *tt_op_batch(tt_op_molecules which) {
  static tt_batch packed[TT_OP_BATCHES];
  tt_batch *batch = &packed[which];
  if (batch->token_offset == NULL && pack(batch, which) != TT_OK) return NULL;
  return batch;
}

void tt_opbench_molecules(const tt_ops *ops, int *count, int64_t *tokens, int64_t *pairs) {
  const tt_batch *batch = tt_op_batch(ops->device ? TT_OP_MANY : TT_OP_REAL);
  *count = batch ? batch->molecules : 0, *tokens = batch ? batch->tokens : 0;
  *pairs = batch ? batch->pairs : 0;
}
