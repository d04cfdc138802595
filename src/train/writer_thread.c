#include "train/writer_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/position.h"

static int sync_file(int file, const char *path) {
  TT_SYNCING(path);
  return fsync(file);
}

static tt_status write_share(tt_writer_thread *w) {
  TT_WRITING(w->path);
  int file = open(w->path, O_WRONLY | O_CLOEXEC);
  if (file < 0)
    return tt_fail(TT_ERR_IO, "cannot open %s: %s (all ranks must see the run's folder)", w->path,
                   strerror(errno));
  tt_status status =
      tt_checkpoint_put_values(&w->share, file, w->path, w->at, &w->stop, w->digests, &w->seconds);
  double begun = tt_now();
  if (status == TT_OK && !atomic_load(&w->stop) && sync_file(file, w->path) != 0)
    status = tt_fail(TT_ERR_IO, "cannot sync %s: %s", w->path, strerror(errno));
  if (close(file) != 0 && status == TT_OK)
    status = tt_fail(TT_ERR_IO, "cannot write %s: %s", w->path, strerror(errno));
  w->sync_seconds = tt_now() - begun;
  return status;
}

static void *run(void *user) {
  tt_writer_thread *w = user;
  tt_position_thread(TT_THREAD_WRITER);
  tt_position_do("the checkpoint");
  w->status = write_share(w);
  if (w->status != TT_OK)
    snprintf(w->message, sizeof w->message, "%s", tt_error_message()); // the thread's own
  tt_position_do(NULL);
  atomic_store(&w->failed, w->status != TT_OK);
  atomic_store(&w->done, true);
  return NULL;
}

void tt_writer_thread_start(tt_writer_thread *w) {
  w->seconds = (tt_checkpoint_seconds){0};
  w->sync_seconds = 0;
  w->status = TT_OK;
  atomic_store(&w->done, false), atomic_store(&w->failed, false), atomic_store(&w->stop, false);
  w->started = pthread_create(&w->thread, NULL, run, w) == 0;
  if (!w->started) run(w);
}

bool tt_writer_thread_is_done(tt_writer_thread *w) {
  return atomic_load(&w->done);
}

bool tt_writer_thread_has_failed(tt_writer_thread *w) {
  return atomic_load(&w->failed);
}

tt_status tt_writer_thread_join(tt_writer_thread *w, bool stop) {
  TT_AWAITING("its writer");
  if (stop) atomic_store(&w->stop, true);
  if (w->started) pthread_join(w->thread, NULL);
  w->started = false;
  return w->status == TT_OK ? TT_OK : tt_fail(w->status, "%s", w->message);
}
