// Writes a checkpoint: structure and values go to the disk by pwrite, so a disk that runs full is a plain
// error of the system's.
#include "train/checkpoint_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as they lie in memory");

// Space for the file, and the permission to make one so large: found out before anything is written.
static tt_status claim(int file, const char *path, int64_t bytes) {
  int why = fallocate(file, 0, 0, bytes) == 0 ? 0 : errno;
  if (!why || why == EOPNOTSUPP || why == ENOSYS) return TT_OK; // not every file system can
  return tt_fail(TT_ERR_IO, "cannot make room for %lld bytes in %s: %s", (long long)bytes, path,
                 strerror(why));
}

static tt_status put_bytes(int file, const char *path, const void *data, int64_t bytes, int64_t at) {
  const char *p = data;
  while (bytes > 0) {
    ssize_t n = pwrite(file, p, (size_t)bytes, at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(n < 0 ? errno : ENOSPC));
    p += n, at += n, bytes -= n;
  }
  return TT_OK;
}

// Writes the structure and gives the file its size.
static tt_status put_front(int file, const char *path, tt_checkpoint_info *info) {
  char *front;
  size_t front_bytes;
  int64_t file_bytes;
  TT_TRY(tt_checkpoint_structure(path, info, &front, &front_bytes, &file_bytes));
  tt_status status = put_bytes(file, path, front, (int64_t)front_bytes, 0);
  if (status == TT_OK && ftruncate(file, file_bytes) != 0)
    status = tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  free(front);
  return status;
}

static tt_status put_all(int file, const char *path, tt_checkpoint_info *info, const float *const arrays[],
                         const float *means) {
  const int count = info->parameters.count, sections = info->has_moments ? TT_CHECKPOINT_SECTIONS : 1;
  int64_t structure =
      65536 + TT_CHECKPOINT_CONFIG_MOST + (int64_t)sections * count * 1024; // more than HDF5 takes
  TT_TRY(claim(file, path, structure + sections * info->parameters.total * (int64_t)sizeof(float)));
  TT_TRY(put_front(file, path, info));
  TT_TRY(put_bytes(file, path, means, TT_GAUSSIANS * (int64_t)sizeof *means, info->buffer_at));
  for (int k = 0; k < sections * count; k++) {
    const tt_parameter *p = &info->parameters.list[k % count];
    TT_TRY(
        put_bytes(file, path, arrays[k / count] + p->offset, p->count * (int64_t)sizeof(float), info->at[k]));
  }
  return TT_OK;
}

// The file as a whole or not at all.
static tt_status put_file(const char *path, tt_checkpoint_info *info, const float *const arrays[],
                          const float *means) {
  char temporary[PATH_MAX];
  tt_file_temporary(path, temporary, sizeof temporary);
  int file = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return tt_fail(TT_ERR_IO, "cannot create %s: %s", temporary, strerror(errno));
  tt_status status = put_all(file, path, info, arrays, means);
  if (close(file) != 0 && status == TT_OK)
    status = tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  if (status == TT_OK) return tt_file_commit(temporary, path);
  tt_file_abandon(temporary);
  return status;
}

tt_status tt_checkpoint_write(const char *path, const tt_parameters *parameters, const float *weights,
                              const float *moment1, const float *moment2, const tt_progress_state *state) {
  const float *const arrays[TT_CHECKPOINT_SECTIONS] = {weights, moment1, moment2};
  if (!moment1 != !moment2)
    return tt_fail(TT_ERR_ARGUMENT, "%s: both moments or neither must be given", path);
  tt_checkpoint_info info = {.parameters = *parameters, .has_moments = moment1 != NULL, .state = *state};
  const int sections = moment1 ? TT_CHECKPOINT_SECTIONS : 1, tensors = sections * parameters->count;
  tt_status status = tt_alloc(&info.digests, (size_t)tensors, sizeof *info.digests, "digests of tensors");
  if (status == TT_OK) status = tt_alloc(&info.at, (size_t)tensors, sizeof *info.at, "places of tensors");
  if (status == TT_OK) {
    float means[TT_GAUSSIANS];
    tt_gaussian_means(means);
    info.buffer_digest = tt_digest_of(means, sizeof means);
    for (int k = 0; k < tensors; k++) {
      const tt_parameter *p = &parameters->list[k % parameters->count];
      info.digests[k] =
          tt_digest_of(arrays[k / parameters->count] + p->offset, (size_t)p->count * sizeof(float));
    }
    info.digest = tt_checkpoint_whole_digest(parameters, sections, info.digests, state);
    status = put_file(path, &info, arrays, means);
  }
  free(info.digests), free(info.at);
  return status;
}
