// The tables: fp32, and activations in bf16.
#include "operations.h"

void tt_cuda_needs(tt_cuda_table *table, tt_scratch_of of, tt_cuda_need floats) {
  if (table->count == TT_MOST_NEEDS) tt_cuda_fail(__FILE__, __LINE__, "TT_MOST_NEEDS", "too few");
  table->needs[table->count].of = of;
  table->needs[table->count++].floats = floats;
}

static tt_cuda_table tables[2]; // one for each tt_precision

static size_t scratch_in(const tt_cuda_table *table, const tt_sizes *sizes) {
  size_t most = 0;
  for (int i = 0; i < table->count; i++)
    if (sizes->of == TT_SCRATCH_ALL || sizes->of == table->needs[i].of) {
      size_t floats = table->needs[i].floats(sizes);
      most = floats > most ? floats : most;
    }
  return most;
}
static size_t scratch_fp32(const tt_sizes *sizes) {
  return scratch_in(&tables[0], sizes);
}
static size_t scratch_bf16(const tt_sizes *sizes) {
  return scratch_in(&tables[1], sizes);
}

template <class T> static void fill(tt_cuda_table *table) {
  tt_ops *ops = &table->ops;
  ops->deterministic = true;
  ops->device = true;
  ops->activation_size = sizeof(T);
  ops->allocate = tt_cuda_allocate;
  ops->release = tt_cuda_release;
  ops->upload = tt_cuda_upload;
  ops->download = tt_cuda_download;
  ops->wait = tt_cuda_wait;
#define TT_OPERATION(file) tt_cuda_fill_##file<T>(table);
#include "cuda_operations.inc"
#undef TT_OPERATION
}

extern "C" const tt_ops *tt_ops_cuda(tt_precision precision) {
  bool bf16 = precision == TT_BF16;
  tt_cuda_table *table = &tables[bf16];
  if (table->ops.name != NULL) return &table->ops;
  if (bf16)
    fill<tt_bf16>(table);
  else
    fill<float>(table);
  table->ops.precision = precision;
  table->ops.weights_changed = bf16 ? tt_cuda_weights_changed : tt_cuda_weights_unchanged;
  table->ops.scratch = bf16 ? scratch_bf16 : scratch_fp32;
  table->ops.name = bf16 ? "cuda-bf16" : "cuda";
  return &table->ops;
}
