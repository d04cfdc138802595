// How fast molecules come: timing of the store's chunks and of the loader's batches, without a model. What
// each figure means: docs/benchmarks.md.
#ifndef TT_TRAIN_BENCH_LOADER_H
#define TT_TRAIN_BENCH_LOADER_H

#include "comm/comm.h"
#include "config/config.h"
#include "store/store.h"

// Molecules that were passed over, once or several times.
typedef struct {
  int64_t molecules;
  double seconds, cpu_seconds; // wall clock; of all threads of the process
  double waited;               // seconds: main thread's wait for molecules (batches only)
} tt_bench_pass;

// The same molecules: as the page cache happened to be, then again, until the time is over.
typedef struct {
  int64_t distinct; // molecules (of batches: samples)
  tt_bench_pass first, again;
} tt_bench_rate;

typedef struct {
  uint64_t molecules, conformers, atoms, bytes; // of the training split; bytes of its files
  uint32_t shards;                              // of both splits
  double open_seconds;                          // tt_store_open
  tt_bench_rate sequential;                     // chunks read, verified, decoded: in the order of the store
  tt_bench_rate shuffled;                       // in the order of a lane: a keyed permutation of all chunks
  tt_bench_rate batches; // finished: dealt, masked, noised, aligned, packed into pieces
  double page_faults;    // a batch, of all passes: memory touched for the first time
  double memory;         // bytes: peak resident memory of the process
  char digest[33];       // of the store
} tt_bench_loader;

// Of one rank (TT_ERR_ARGUMENT with more): every pass takes about `seconds`, a bit more where a batch does.
// Runs on the CPUs that the caller has bound the process to. Errors as tt_store_open's, tt_loader_create's,
// tt_store_read_chunk's; reported once.
tt_status tt_bench_loader_run(const tt_comm *comm, const tt_config *config, double seconds,
                              tt_bench_loader *result);

#endif
