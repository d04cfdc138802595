#include "batch/worker.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/position.h"

static void *run(void *user) {
  tt_worker *w = user;
  tt_position_thread(TT_THREAD_WORKER);
  tt_position_do("samples");
  tt_error_keep(&w->error,
                tt_global_batch_make(w->batch, w->rank, w->reading, &w->incoming, w->data, w->seed));
  tt_position_do("molecules of the next batch");
  if (w->next) tt_read_ahead_take(w->reader, w->pass, w->next);
  tt_position_do(NULL);
  atomic_store(&w->done, true);
  return NULL;
}

void tt_worker_start(tt_worker *w) {
  double begun = tt_now();
  w->under_way = true, w->seconds = 0;
  atomic_store(&w->done, false);
  w->started = pthread_create(&w->thread, NULL, run, w) == 0;
  if (w->started) return;
  run(w);
  w->seconds = tt_now() - begun;
}

tt_status tt_worker_wait(tt_worker *w, double *waited) {
  if (!w->under_way) return TT_OK;
  TT_AWAITING("its worker");
  double begun = tt_now();
  bool was_done = atomic_load(&w->done);
  if (w->started) pthread_join(w->thread, NULL);
  *waited += was_done ? w->seconds : tt_now() - begun;
  w->under_way = w->started = false;
  free(w->incoming.bytes);
  w->incoming = (tt_incoming){0};
  return tt_error_again(&w->error);
}
