#include "train/bench_update.h"

tt_status tt_bench_update(tt_trainer *t, tt_loader *loader, const tt_global_batch **batch) {
  tt_update unused;
  tt_part_begin(tt_model_stopwatch(t->model), TT_PART_DATA);
  TT_TRY(tt_loader_batch(loader, t->state.step, batch));
  return tt_trainer_update(t, *batch, &unused);
}
