#include "train/checkpoint_values.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/position.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as they lie in memory");

enum { PIECE = 1 << 18 }; // elements digested and written, or read and digested, while they are in cache

int tt_checkpoint_tensors(const tt_checkpoint_share *share) {
  return share->parameters->count * (share->moment1 ? TT_CHECKPOINT_SECTIONS : 1);
}

float *tt_checkpoint_place(const tt_checkpoint_share *share, int section, const tt_own_walk *walk) {
  if (section == 1) return share->moment1 + walk->own;
  if (section == 2) return share->moment2 + walk->own;
  return share->weights + (share->own_weights ? walk->own : walk->run.offset);
}

tt_status tt_checkpoint_put_bytes(int file, const char *path, const void *data, int64_t bytes, int64_t at) {
  TT_WRITING(path);
  const char *p = data;
  while (bytes > 0) {
    ssize_t n = pwrite(file, p, (size_t)bytes, at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(n < 0 ? errno : ENOSPC));
    p += n, at += n, bytes -= n;
  }
  return TT_OK;
}

tt_status tt_checkpoint_get_bytes(int file, const char *path, void *data, int64_t bytes, int64_t at) {
  TT_READING(path);
  char *p = data;
  while (bytes > 0) {
    ssize_t n = pread(file, p, (size_t)bytes, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tt_fail(TT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (n == 0) return tt_fail(TT_ERR_CORRUPT, "%s is truncated", path);
    p += n, at += n, bytes -= n;
  }
  return TT_OK;
}

// Neighbouring elements of one tensor.
typedef struct {
  int tensor;
  float *values;
  int64_t element, count; // of the first one in the tensor
} stretch;

typedef tt_status (*stretch_function)(void *user, const stretch *s);

// Tensor by tensor within a section, so that the file is written from front to back.
static tt_status for_each_stretch(const tt_checkpoint_share *share, stretch_function run, void *user) {
  const int count = share->parameters->count, sections = tt_checkpoint_tensors(share) / count;
  for (int s = 0; s < sections; s++) {
    tt_own_walk w = {0};
    while (tt_shards_next(share->shards, share->parameters, &w)) {
      float *values = tt_checkpoint_place(share, s, &w);
      for (int64_t i = 0; i < w.run.count; i += PIECE) {
        int64_t rest = w.run.count - i;
        TT_TRY(run(user, &(stretch){s * count + w.run.index, values + i, w.run.element + i,
                                    rest < PIECE ? rest : PIECE}));
      }
    }
  }
  return TT_OK;
}

typedef struct {
  int file;
  const char *path;
  const int64_t *at;
  const atomic_bool *stop;
  tt_element_digest *digests;
  tt_checkpoint_seconds *seconds;
} job;

static void digest(const job *j, const stretch *s) {
  tt_element_digest_add(&j->digests[s->tensor], s->values, s->count, s->element);
}

static int64_t place_of(const job *j, const stretch *s) {
  return j->at[s->tensor] + s->element * (int64_t)sizeof(float);
}

static tt_status digest_stretch(void *user, const stretch *s) {
  digest(user, s);
  return TT_OK;
}

static tt_status put_stretch(void *user, const stretch *s) {
  job *j = user;
  if (atomic_load_explicit(j->stop, memory_order_relaxed)) return TT_OK;
  double begun = tt_now();
  digest(j, s);
  double digested = tt_now();
  tt_status status =
      tt_checkpoint_put_bytes(j->file, j->path, s->values, s->count * (int64_t)sizeof(float), place_of(j, s));
  j->seconds->digest += digested - begun;
  j->seconds->write += tt_now() - digested;
  return status;
}

static tt_status get_stretch(void *user, const stretch *s) {
  job *j = user;
  TT_TRY(tt_checkpoint_get_bytes(j->file, j->path, s->values, s->count * (int64_t)sizeof(float),
                                 place_of(j, s)));
  digest(j, s);
  return TT_OK;
}

void tt_checkpoint_digest_values(const tt_checkpoint_share *share, tt_element_digest *digests) {
  for_each_stretch(share, digest_stretch, &(job){.digests = digests});
}

tt_status tt_checkpoint_put_values(const tt_checkpoint_share *share, int file, const char *path,
                                   const int64_t *at, const atomic_bool *stop, tt_element_digest *digests,
                                   tt_checkpoint_seconds *seconds) {
  return for_each_stretch(share, put_stretch, &(job){file, path, at, stop, digests, seconds});
}

tt_status tt_checkpoint_get_values(const tt_checkpoint_share *share, int file, const char *path,
                                   const int64_t *at, tt_element_digest *digests) {
  return for_each_stretch(share, get_stretch,
                          &(job){.file = file, .path = path, .at = at, .digests = digests});
}
