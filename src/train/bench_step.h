// Timing of whole training updates on real molecules. What each figure means: docs/benchmarks.md.
#ifndef TT_TRAIN_BENCH_STEP_H
#define TT_TRAIN_BENCH_STEP_H

#include "comm/comm.h"
#include "config/config.h"
#include "model/parts.h"
#include "store/store.h"
#include "train/memory.h"

typedef struct {
  int64_t steps, molecules, atoms, pairs; // timed, all ranks
  double seconds;                         // wall clock of the timed updates, slowest rank
  double flops_executed, flops_reference; // of the timed updates
  double data_wait;                       // seconds of them waited for molecules, slowest rank of each
  // Mean over ranks; on a processor they add up to the wall clock but for rounding. On a device to more: of
  // further updates, as if they were as many, in which the host waits at the end of each part.
  double part_seconds[TT_PARTS];
  double sgemm_flops;                // a second, sum over ranks, all at once; mean of before and after;
                                     // 0: not measured
  double peak_fraction;              // executed FLOP/s over that; 0: not measured
  double memory_largest, memory_sum; // bytes: peak resident memory of the largest rank, and of all
  double memory_before;              // bytes: the same before the trainer took any, of the largest rank
  tt_trainer_memory planned;         // of the rank for which that is most
  // bytes of a device, each of the rank with most: what the backend had allocated at most; of it its own room
  // to work; all that is in use there at the end, as the driver counts. 0: no device
  double device_peak, device_own, device_used;
  double activations;                // bytes: buffers of the largest piece, of the largest rank
  double page_faults;                // of the timed updates, all ranks: memory touched for the first time
  int64_t sent_all[TT_TRAFFIC_KINDS], sent_largest[TT_TRAFFIC_KINDS]; // bytes to other ranks during the timed
                                                                      // updates: all ranks, the largest rank
  int64_t parameters;
  char store_digest[33];
  int64_t lengths[TT_LENGTH_BINS]; // molecules with 8k .. 8k+7 atoms; the last is open
} tt_bench_step;

// Collective: `warmup` updates that are not counted, then `steps` that are, and `sgemm_seconds` of large
// products before and after those (0: none). Writes no files. Every failure has been reported when this
// returns it.
tt_status tt_bench_step_run(const tt_comm *comm, const tt_config *config, int64_t warmup, int64_t steps,
                            double sgemm_seconds, tt_bench_step *result);

#endif
