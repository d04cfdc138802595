// One update as training does it, for the benchmarks.
#ifndef TT_TRAIN_BENCH_UPDATE_H
#define TT_TRAIN_BENCH_UPDATE_H

#include "batch/assemble.h"
#include "train/trainer.h"

// Collective: takes the next batch, which is *batch until the next call, and updates on it. The stopwatch of
// the model is told of all parts. Errors as tt_loader_batch's and tt_trainer_update's; reported.
tt_status tt_bench_update(tt_trainer *t, tt_loader *loader, const tt_global_batch **batch);

#endif
