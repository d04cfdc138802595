#include "train/saver.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "train/checkpoint_parts.h"
#include "train/collective_write.h"
#include "train/writer_thread.h"

struct tt_saver {
  const tt_comm *ranks;
  tt_checkpoint_share share;
  int tensors;
  bool collective;
  float *copy;                // of what the rank owns: weights, moments
  int64_t *at;                // (tensors) where they begin in the file: the same in all files of a run
  tt_element_digest *digests; // (tensors)
  tt_writer_thread thread;
  bool pending;
  char path[PATH_MAX], temporary[PATH_MAX];
  tt_checkpoint_info info; // rank 0: of the pending file
  int64_t file_bytes;      // rank 0: as laid out for these lengths; 0 before
  size_t config_length, store_length, skipped, batches;
  tt_save_report report;
  double begun;
};

static bool leader(const tt_saver *s) {
  return s->ranks->rank == 0;
}

static bool is_on_nfs(const char *folder) {
  struct statfs f;
  return statfs(folder, &f) == 0 && f.f_type == NFS_SUPER_MAGIC;
}

tt_status tt_saver_create(tt_saver **saver, const tt_comm *ranks, const tt_checkpoint_share *share,
                          tt_checkpoint_writer writer, const char *folder) {
  tt_status status = tt_alloc(saver, 1, sizeof **saver, "the writer of checkpoints");
  TT_TRY(tt_comm_agree(ranks, status));
  tt_saver *s = *saver;
  s->ranks = ranks, s->share = *share, s->tensors = tt_checkpoint_tensors(share);
  s->collective = writer == TT_WRITER_COLLECTIVE || (writer == TT_WRITER_AUTO && is_on_nfs(folder));
  TT_TRY(tt_comm_broadcast(ranks, &s->collective, sizeof s->collective, 0));
  size_t n = (size_t)s->tensors;
  status = tt_alloc(&s->at, n, sizeof *s->at, "places of tensors");
  if (status == TT_OK) status = tt_alloc(&s->digests, n, sizeof *s->digests, "digests of tensors");
  if (status == TT_OK && leader(s)) {
    s->info =
        (tt_checkpoint_info){.parameters = *share->parameters, .has_moments = share->moment1, .at = s->at};
    status = tt_alloc(&s->info.digests, n, sizeof *s->info.digests, "digests of tensors");
  }
  if (status == TT_OK && s->collective && !tt_collective_write_works())
    status =
        tt_fail(TT_ERR_UNSUPPORTED,
                "%s needs train.checkpoint_writer = \"collective\", and this build's HDF5 cannot write in "
                "parallel; build with a parallel HDF5, or use another file system",
                folder);
  return tt_comm_agree(ranks, status);
}

// The pending save is over, whatever became of it.
static void end(tt_saver *s, bool remove_file) {
  if (remove_file && leader(s)) tt_file_abandon(s->temporary);
  tt_progress_state_free(&s->info.state);
  s->pending = false;
}

void tt_saver_free(tt_saver *s) {
  if (!s) return;
  if (s->pending) {
    (void)tt_writer_thread_join(&s->thread, true);
    end(s, true);
  }
  free(s->copy), free(s->at), free(s->digests), free(s->info.digests);
  free(s);
}

bool tt_saver_pending(const tt_saver *s) {
  return s->pending;
}

// ---- beginning ----

// All files of a run are laid out alike.
static tt_status lay_out(tt_saver *s) {
  size_t config = strlen(s->info.state.config), store = strlen(s->info.state.store_digest),
         skipped = s->info.state.skipped.count, batches = s->info.state.skipped_batches.count;
  if (s->file_bytes && config == s->config_length && store == s->store_length && skipped == s->skipped &&
      batches == s->batches)
    return TT_OK;
  s->info.room = 0;
  TT_TRY(tt_checkpoint_lay_out(s->path, &s->info, &s->file_bytes));
  s->config_length = config, s->store_length = store;
  s->skipped = skipped, s->batches = batches;
  return TT_OK;
}

static tt_status make_file(tt_saver *s, const tt_progress_state *state) {
  s->info.state = *state;
  s->info.state.skipped = (tt_lane_cuts){0};
  s->info.state.skipped_batches = (tt_number_set){0};
  s->info.state.config = strdup(state->config ? state->config : "");
  tt_status status =
      s->info.state.config ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory saving %s", s->path);
  if (status == TT_OK) status = tt_lane_cuts_copy(&s->info.state.skipped, &state->skipped);
  if (status == TT_OK) status = tt_number_set_copy(&s->info.state.skipped_batches, &state->skipped_batches);
  if (status == TT_OK) status = lay_out(s);
  if (status == TT_OK)
    status = tt_checkpoint_create(s->path, s->file_bytes, s->temporary, sizeof s->temporary);
  s->report.bytes = s->file_bytes;
  if (status != TT_OK) end(s, false);
  return status;
}

// What is to be written is a device's, and the host needs a copy of it.
static bool on_device(const tt_saver *s) {
  return s->share.ops && s->share.ops->device;
}

static tt_status take_memory(tt_saver *s) {
  if (s->copy || (s->collective && !on_device(s))) return TT_OK;
  size_t arrays = s->share.moment1 ? 3 : 1;
  TT_TRY(tt_alloc(&s->copy, arrays * (size_t)s->share.shards->own, sizeof *s->copy,
                  "the copy for a checkpoint"));
  return TT_OK;
}

static void copy(const tt_ops *ops, const float *from, int64_t count, float *to) {
  size_t bytes = (size_t)count * sizeof *to;
  if (ops)
    ops->download(from, bytes, to);
  else
    memcpy(to, from, bytes);
}

// What the rank owns, as it is now.
static tt_checkpoint_share copy_share(tt_saver *s) {
  const tt_checkpoint_share *from = &s->share;
  int64_t own = from->shards->own;
  tt_checkpoint_share to = *from;
  to.own_weights = true, to.ops = NULL;
  to.weights = s->copy;
  for (int k = 0; k < from->shards->count; k++) {
    const tt_shard *shard = &from->shards->list[k];
    copy(from->ops, from->weights + shard->first, shard->count, to.weights + shard->own);
  }
  if (!from->moment1) return to;
  to.moment1 = s->copy + own, to.moment2 = s->copy + 2 * own;
  copy(from->ops, from->moment1, own, to.moment1);
  copy(from->ops, from->moment2, own, to.moment2);
  return to;
}

static void begin_direct(tt_saver *s) {
  double begun = tt_now();
  s->thread =
      (tt_writer_thread){.share = copy_share(s), .path = s->temporary, .at = s->at, .digests = s->digests};
  s->report.copy = tt_now() - begun;
  tt_writer_thread_start(&s->thread);
}

// Rank 0 knows the digests of all the ranks' parts.
static tt_status sum_digests(tt_saver *s) {
  TT_TRY(tt_comm_sum(s->ranks, (uint64_t *)s->digests, 2 * s->tensors));
  for (int k = 0; leader(s) && k < s->tensors; k++)
    s->info.digests[k] = tt_element_digest_text(s->digests[k]);
  return TT_OK;
}

static tt_status write_all_together(tt_saver *s) {
  double begun = tt_now();
  tt_checkpoint_share share = on_device(s) ? copy_share(s) : s->share;
  double copied = tt_now();
  tt_checkpoint_digest_values(&share, s->digests);
  s->report.copy = copied - begun;
  s->report.digest = tt_now() - copied;
  TT_TRY(sum_digests(s));
  tt_status status = TT_OK;
  if (leader(s)) status = tt_checkpoint_put_front(s->path, s->temporary, &s->info);
  TT_TRY(tt_comm_agree(s->ranks, status));
  return tt_collective_write(s->ranks, s->temporary, &share, &s->report.write, &s->report.sync);
}

tt_status tt_saver_begin(tt_saver *s, const char *path, const tt_progress_state *state) {
  s->begun = tt_now();
  s->report = (tt_save_report){
      .path = s->path, .writer = s->collective ? "collective" : "direct", .step = state->step};
  snprintf(s->path, sizeof s->path, "%s", path);
  memset(s->digests, 0, (size_t)s->tensors * sizeof *s->digests);
  tt_status status = take_memory(s);
  if (status == TT_OK && leader(s)) {
    status = make_file(s, state);
    s->pending = status == TT_OK;
  }
  status = tt_comm_agree(s->ranks, status);
  if (status != TT_OK) {
    if (s->pending) end(s, true); // rank 0, when another one has no memory
    return status;
  }
  s->pending = true;
  s->report.create = tt_now() - s->begun;
  TT_TRY(tt_comm_broadcast(s->ranks, s->temporary, sizeof s->temporary, 0));
  TT_TRY(tt_comm_broadcast(s->ranks, s->at, (size_t)s->tensors * sizeof *s->at, 0));
  if (s->collective)
    status = write_all_together(s);
  else
    begin_direct(s);
  if (status != TT_OK) end(s, true);
  s->report.waited = tt_now() - s->begun;
  return status;
}

// ---- waiting, finishing ----

enum { DONE, WRITING, FAILED };

static int look(tt_saver *s) {
  if (s->collective) return DONE;
  if (!tt_writer_thread_is_done(&s->thread)) return WRITING;
  return tt_writer_thread_has_failed(&s->thread) ? FAILED : DONE;
}

tt_status tt_saver_poll(tt_saver *s, bool wait, bool *ready) {
  double begun = tt_now(), worst;
  for (;;) {
    worst = look(s);
    TT_TRY(tt_comm_greatest(s->ranks, &worst, 1));
    if (worst != WRITING || !wait) break;
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
  }
  s->report.waited += tt_now() - begun;
  *ready = worst == DONE;
  if (worst != FAILED) return TT_OK;
  tt_status status = tt_writer_thread_join(&s->thread, true);
  status = tt_comm_agree(s->ranks, status);
  end(s, true);
  return status;
}

// Of the parts in the threads, those of the slowest rank.
static tt_status share_times(tt_saver *s) {
  tt_save_report *r = &s->report;
  if (!s->collective)
    r->digest = s->thread.seconds.digest, r->write = s->thread.seconds.write,
    r->sync = s->thread.sync_seconds;
  double times[4] = {r->copy, r->digest, r->write, r->sync};
  TT_TRY(tt_comm_greatest(s->ranks, times, 4));
  r->copy = times[0], r->digest = times[1], r->write = times[2], r->sync = times[3];
  return TT_OK;
}

static tt_status name_file(tt_saver *s) {
  if (!s->collective) TT_TRY(tt_checkpoint_put_front(s->path, s->temporary, &s->info));
  return tt_file_commit(s->temporary, s->path);
}

tt_status tt_saver_finish(tt_saver *s, tt_save_report *report) {
  double begun = tt_now();
  tt_status status = TT_OK;
  if (!s->collective) {
    (void)tt_writer_thread_join(&s->thread, false);
    TT_TRY(sum_digests(s));
  }
  TT_TRY(share_times(s));
  if (leader(s)) status = name_file(s);
  status = tt_comm_agree(s->ranks, status);
  end(s, status != TT_OK);
  double now = tt_now();
  s->report.finish = now - begun;
  s->report.waited += now - begun;
  s->report.total = now - s->begun;
  *report = s->report;
  return status;
}
