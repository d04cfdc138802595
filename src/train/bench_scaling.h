// What more ranks bring: the same updates on 1, 2, 4 ... data ranks of one job. What each figure means:
// docs/benchmarks.md.
#ifndef TT_TRAIN_BENCH_SCALING_H
#define TT_TRAIN_BENCH_SCALING_H

#include "comm/comm.h"
#include "config/config.h"
#include "train/step_split.h"

enum {
  TT_SCALING_SIZES = 31, // numbers of data ranks that a job can have, powers of two
  TT_SCALING_ROUNDS = 999
};

// What one number of data ranks is given.
typedef struct {
  int data_ranks, ranks; // ranks = data ranks x parallel.tensor
  int batch_size, micro_batches;
  int64_t warmup, steps; // updates; as many more as they are smaller, so that all meet the same molecules
} tt_scaling_case;

// One measurement: mean over its updates.
typedef struct {
  double seconds; // of an update, wall clock; equal to the sum of `split`
  tt_step_split split;
  double molecules; // an update
  double flops;     // executed operations a molecule
} tt_scaling_time;

typedef struct {
  int cases, rounds;
  tt_scaling_case of_case[2 * TT_SCALING_SIZES];
  tt_scaling_time *time; // (cases, rounds)
  // which cases they are, by number of data ranks, the smallest first; 0 of them: not asked for
  int weak_count, strong_count, weak[TT_SCALING_SIZES], strong[TT_SCALING_SIZES];
  int64_t parameters;
  char store_digest[33];
} tt_bench_scaling;

typedef struct {
  bool weak, strong; // molecules a data rank, and molecules an update, the same for all numbers of ranks
  int64_t rounds, warmup, steps; // rounds: at most TT_SCALING_ROUNDS
} tt_scaling_request;

// Collective. `config` is that of all ranks together: a smaller number of data ranks gets its part of
// train.batch_size and train.micro_batches (weak), or all of it (strong); what that is on all ranks is
// measured once for both. Each round goes from the smallest number to the largest; every measurement is of
// the first ranks of `comm`, the others sleep; it begins with a new model, and times the molecules of
// `request->steps` updates of all ranks after those of `request->warmup`: the same ones everywhere. Writes no
// files. The times are rank 0's to know. TT_ERR_CONFIG when the ranks are not a power of two, or the batch
// cannot be divided. Every failure has been reported when this returns it, on all ranks; then there is
// nothing to free.
tt_status tt_bench_scaling_run(const tt_comm *comm, const tt_config *config,
                               const tt_scaling_request *request, tt_bench_scaling *result);
void tt_bench_scaling_free(tt_bench_scaling *result);

#endif
