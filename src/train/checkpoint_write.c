// The file of a checkpoint: made with room for all of it, its front written when the digests are known. Plain
// writes, so a disk that runs full is a plain error of the system's.
#include "train/checkpoint_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/position.h"

tt_status tt_checkpoint_lay_out(const char *path, tt_checkpoint_info *info, int64_t *file_bytes) {
  int tensors = info->parameters.count * (info->has_moments ? TT_CHECKPOINT_SECTIONS : 1);
  const tt_digest any = {"00000000000000000000000000000000"}; // takes the room of the true one
  for (int k = 0; k < tensors; k++) info->digests[k] = any;
  info->digest = info->buffer_digest = any;
  char *front;
  size_t front_bytes;
  TT_TRY(tt_checkpoint_structure(path, info, &front, &front_bytes, file_bytes));
  free(front);
  return TT_OK;
}

// Space for the file, and the permission to make one so large: found out before anything is written.
static tt_status claim(int file, const char *path, int64_t bytes) {
  int why = fallocate(file, 0, 0, bytes) == 0 ? 0 : errno;
  if (why && why != EOPNOTSUPP && why != ENOSYS) // not every file system can
    return tt_fail(TT_ERR_IO, "cannot make room for %lld bytes in %s: %s", (long long)bytes, path,
                   strerror(why));
  return ftruncate(file, bytes) == 0 ? TT_OK
                                     : tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
}

tt_status tt_checkpoint_create(const char *path, int64_t file_bytes, char *temporary, size_t size) {
  TT_WRITING(path);
  tt_file_temporary(path, temporary, size);
  int file = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return tt_fail(TT_ERR_IO, "cannot create %s: %s", temporary, strerror(errno));
  tt_status status = claim(file, path, file_bytes);
  close(file);
  if (status != TT_OK) tt_file_abandon(temporary);
  return status;
}

// The places must be those that the values were written to.
static tt_status make_front(const char *path, tt_checkpoint_info *info, char **front, size_t *front_bytes) {
  int tensors = info->parameters.count * (info->has_moments ? TT_CHECKPOINT_SECTIONS : 1);
  int64_t *before = NULL, file_bytes;
  TT_TRY(tt_alloc(&before, (size_t)tensors, sizeof *before, "places of tensors"));
  memcpy(before, info->at, (size_t)tensors * sizeof *before);
  tt_status status = tt_checkpoint_structure(path, info, front, front_bytes, &file_bytes);
  if (status == TT_OK && memcmp(before, info->at, (size_t)tensors * sizeof *before) != 0) {
    free(*front);
    status = tt_fail(TT_ERR_IO, "%s: HDF5 laid the file out in two ways", path);
  }
  free(before);
  return status;
}

tt_status tt_checkpoint_put_front(const char *path, const char *temporary, tt_checkpoint_info *info) {
  TT_WRITING(path);
  char *front;
  size_t front_bytes;
  const float *means = info->state.means;
  tt_element_digest digest = {0};
  tt_element_digest_add(&digest, means, TT_GAUSSIANS, 0);
  info->buffer_digest = tt_element_digest_text(digest);
  info->digest = tt_checkpoint_whole_digest(&info->parameters, info->has_moments ? TT_CHECKPOINT_SECTIONS : 1,
                                            info->digests, info->buffer_digest, &info->state);
  TT_TRY(make_front(path, info, &front, &front_bytes));
  int file = open(temporary, O_RDWR | O_CLOEXEC);
  tt_status status = file >= 0 ? TT_OK : tt_fail(TT_ERR_IO, "cannot open %s: %s", temporary, strerror(errno));
  if (status == TT_OK) status = tt_checkpoint_put_bytes(file, path, front, (int64_t)front_bytes, 0);
  if (status == TT_OK)
    status = tt_checkpoint_put_bytes(file, path, means, sizeof info->state.means, info->buffer_at);
  if (status == TT_OK) status = tt_checkpoint_put_lists(path, file, info);
  if (file >= 0 && close(file) != 0 && status == TT_OK)
    status = tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  free(front);
  return status;
}

static tt_status put_weights(const char *path, const char *temporary, const tt_checkpoint_info *info,
                             const float *weights) {
  int file = open(temporary, O_WRONLY | O_CLOEXEC);
  tt_status status = file >= 0 ? TT_OK : tt_fail(TT_ERR_IO, "cannot open %s: %s", temporary, strerror(errno));
  for (int i = 0; i < info->parameters.count && status == TT_OK; i++) {
    const tt_parameter *p = &info->parameters.list[i];
    tt_element_digest digest = {0};
    tt_element_digest_add(&digest, weights + p->offset, p->count, 0);
    info->digests[i] = tt_element_digest_text(digest);
    status = tt_checkpoint_put_bytes(file, path, weights + p->offset, p->count * (int64_t)sizeof *weights,
                                     info->at[i]);
  }
  if (file >= 0 && close(file) != 0 && status == TT_OK)
    status = tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  return status;
}

tt_status tt_checkpoint_write_weights(const char *path, const tt_parameters *parameters, const float *weights,
                                      const tt_progress_state *state) {
  tt_checkpoint_info info = {.parameters = *parameters, .state = *state};
  char temporary[PATH_MAX] = "";
  int64_t file_bytes;
  size_t count = (size_t)parameters->count;
  tt_status status = tt_alloc(&info.digests, count, sizeof *info.digests, "digests of tensors");
  if (status == TT_OK) status = tt_alloc(&info.at, count, sizeof *info.at, "places of tensors");
  if (status == TT_OK) status = tt_checkpoint_lay_out(path, &info, &file_bytes);
  if (status == TT_OK) status = tt_checkpoint_create(path, file_bytes, temporary, sizeof temporary);
  if (status == TT_OK) status = put_weights(path, temporary, &info, weights);
  if (status == TT_OK) status = tt_checkpoint_put_front(path, temporary, &info);
  if (status == TT_OK)
    status = tt_file_commit(temporary, path);
  else if (*temporary)
    tt_file_abandon(temporary);
  free(info.digests), free(info.at);
  return status;
}
