#include "train/memory.h"

#include "train/shards.h"
#include "train/tree.h"

// TT_BLOCKs of all ranks. Those of one place need not be as many as those of another.
static tt_status count_blocks(const tt_model_config *model, int data, int tensor, int64_t *blocks) {
  *blocks = 0;
  for (int t = 0; t < tensor; t++) {
    tt_parameters p;
    TT_TRY(tt_parameters_build(&p, model, tensor, t));
    for (int d = 0; d < data; d++) *blocks += tt_shards_owned(&p, data, d).blocks;
    tt_parameters_free(&p);
  }
  return TT_OK;
}

tt_status tt_trainer_memory_plan(const tt_config *config, int data, int tensor, int rank,
                                 tt_trainer_memory *memory) {
  *memory = (tt_trainer_memory){0};
  int leaves = config->train.micro_batches;
  if (data < 1 || leaves % data)
    return tt_fail(TT_ERR_CONFIG, "%d data ranks do not divide train.micro_batches = %d leaves evenly", data,
                   leaves);
  int64_t blocks;
  tt_parameters p;
  TT_TRY(count_blocks(&config->model, data, tensor, &blocks));
  TT_TRY(tt_parameters_build(&p, &config->model, tensor, rank % tensor));
  tt_ownership own = tt_shards_owned(&p, data, rank / tensor);
  const int64_t floats = sizeof(float);
  memory->weights = p.total * floats;
  memory->moments = 2 * own.elements * floats;
  memory->gradients = tt_tree_levels(leaves / data) * p.total * floats;
  memory->exchange = tt_shards_landing(&p, data) * floats;
  if (config->train.checkpoint_writer != TT_WRITER_COLLECTIVE) memory->snapshot = 3 * own.elements * floats;
  memory->tables = own.elements + (own.blocks + blocks) * (int64_t)sizeof(double);
  tt_parameters_free(&p);
  return TT_OK;
}

void tt_trainer_memory_round(tt_trainer_memory *m) {
  m->masters = m->weights; // every rank has them whole, in fp32,
  m->weights /= 2;         // and rounded for products
}

int64_t tt_trainer_memory_sum(const tt_trainer_memory *m) {
  return m->weights + m->masters + m->moments + m->gradients + m->exchange + m->snapshot + m->tables;
}
