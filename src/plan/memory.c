#include "plan/memory.h"

#include <math.h>

#include "device/cuda.h"
#include "plan/molecules.h"

// A CPU rank's resident memory without a model, measured (docs/scaling-out.md): program and libraries, MPI,
// and what malloc keeps; and what MPI adds for each rank on the machine, which share memory.
enum { MB = 1000000 };
static const int64_t PROCESS = 68 * MB, NEIGHBOUR = 0;

// Bytes a pair row, a token row: of a sample, and again in the packed piece (batch/batch.h).
enum { PAIR_BYTES = 5, TOKEN_BYTES = 75 };

// The longest piece that the configuration allows, with as many tokens to a pair as the plan's molecules
// have.
static tt_piece_sizes most(const tt_config *config, int tensor, const tt_molecules *molecules) {
  tt_molecule_sums sum = tt_molecules_sum(molecules);
  int64_t length = molecules->longest + 1, pairs = config->train.max_pairs;
  if (length * length > pairs) pairs = length * length;
  int64_t tokens = (int64_t)ceil((double)pairs * (double)sum.tokens / (double)sum.pairs);
  return (tt_piece_sizes){tokens, pairs, pairs, (int)length, tensor, tensor * tokens, tensor * pairs};
}

static tt_status room(const tt_config *config, const tt_machine *machine, const tt_piece_sizes *piece,
                      int64_t *activations, int64_t *scratch) {
  tt_piece_room r;
  const tt_ops *here = tt_ops_cpu(machine->gpu ? TT_FP32 : config->train.precision);
  if (!here) return TT_ERR_UNSUPPORTED;
  tt_ops ops = *here;
  if (machine->gpu) ops.device = true, ops.activation_size = 2; // bf16
  // what the backend's operations need, it says itself, with no device at hand; but it must be built in
  bool known = !machine->gpu || tt_cuda_built_in();
  if (machine->gpu && known) ops.scratch = tt_ops_cuda(TT_BF16)->scratch;
  TT_TRY(tt_model_room(&config->model, &ops, config->train.recompute == TT_RECOMPUTE_PAIR, piece, &r));
  *activations = r.buffers;
  *scratch = known ? r.scratch : 0; // else in the machine's `fixed`
  return TT_OK;
}

static int64_t batch_bytes(const tt_config *config, const tt_molecules *m, const tt_load *load) {
  tt_molecule_sums sum = tt_molecules_sum(m);
  int64_t own = sum.pairs * PAIR_BYTES + sum.tokens * TOKEN_BYTES, bytes = 0;
  for (int i = 0; i < m->batches * m->size; i++) bytes += m->bytes[i];
  int64_t count = (int64_t)m->batches * m->size, lanes = config->data.lanes / load->ranks + 1;
  int64_t chunks = lanes * TT_CHUNK * (bytes / count);
  int64_t piece = load->largest.pairs * PAIR_BYTES + load->largest.tokens * TOKEN_BYTES;
  return own / m->batches / load->ranks + piece + chunks;
}

tt_status tt_plan_memory_make(tt_plan_memory *m, const tt_config *config, const tt_machine *machine,
                              const tt_layout *layout, const tt_molecules *molecules, const tt_load *load) {
  *m = (tt_plan_memory){0};
  int64_t unused;
  tt_config laid_out = *config; // shares the strings
  laid_out.train.micro_batches = layout->leaves;
  laid_out.parallel.tensor = layout->tensor;
  // the last rank owns no fewer blocks than any other
  TT_TRY(tt_trainer_memory_plan(&laid_out, layout->data, layout->tensor, load->ranks - 1, &m->state));
  tt_piece_sizes largest = most(config, layout->tensor, molecules);
  m->pairs_most = largest.pairs;
  TT_TRY(room(config, machine, &largest, &m->activations_most, &m->scratch));
  TT_TRY(room(config, machine, &load->largest, &m->activations, &unused));
  if (machine->gpu) tt_trainer_memory_round(&m->state);
  m->batch = batch_bytes(config, molecules, load);
  m->fixed = machine->gpu ? (int64_t)machine->fixed : PROCESS + NEIGHBOUR * (load->ranks - 1);
  m->snapshot_apart = machine->gpu;
  // what a GPU has is copied for either writer (train/saver.c): weights and both moments
  if (machine->gpu) m->state.snapshot = m->state.moments / 2 * 3;
  int64_t sum = tt_trainer_memory_sum(&m->state) - m->state.snapshot + m->scratch + m->batch + m->fixed;
  m->most = sum + m->activations_most + (m->snapshot_apart ? 0 : m->state.snapshot);
  m->expected = sum + m->activations;
  return TT_OK;
}
