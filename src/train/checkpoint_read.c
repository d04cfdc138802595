// The values of a checkpoint, read at the places that its structure names, and compared with their digests.
#include "train/checkpoint_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"

// Reads `bytes` at `at` and digests them piece by piece, while they are in cache. `to` may be NULL.
static tt_status read_values(int file, const char *path, int64_t at, int64_t bytes, char *to,
                             tt_digest *digest) {
  enum { PIECE = 1 << 20 };
  char *piece = to ? NULL : malloc(PIECE);
  tt_digest_state *all = tt_digest_begin();
  tt_status status = all && (to || piece) ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory reading %s", path);
  while (bytes > 0 && status == TT_OK) {
    char *here = to ? to : piece;
    ssize_t n = pread(file, here, (size_t)(bytes < PIECE ? bytes : PIECE), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      status = tt_fail(TT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    else if (n == 0)
      status = tt_fail(TT_ERR_CORRUPT, "%s is truncated", path);
    else {
      tt_digest_add(all, here, (size_t)n);
      at += n, bytes -= n;
      if (to) to += n;
    }
  }
  *digest = tt_digest_end(all);
  free(piece);
  return status;
}

static bool same(tt_digest a, tt_digest b) {
  return strcmp(a.text, b.text) == 0;
}

static tt_status read_tensor(int file, const char *path, const tt_checkpoint_info *info, int section,
                             int index, float *to) {
  const tt_parameter *p = &info->parameters.list[index];
  const int k = section * info->parameters.count + index;
  tt_digest digest;
  TT_TRY(read_values(file, path, info->at[k], p->count * 4, (char *)to, &digest));
  if (same(digest, info->digests[k])) return TT_OK;
  return tt_fail(TT_ERR_CORRUPT, "%s: the values of %s/%s are not what was written; use an older checkpoint",
                 path, tt_checkpoint_sections[section], p->name);
}

static void shape_text(const tt_parameter *p, char text[40]) {
  int n = snprintf(text, 40, "%d", p->shape[0]);
  if (p->dims == 2) snprintf(text + n, 40 - (size_t)n, " x %d", p->shape[1]);
}

static tt_status compare_tables(const char *path, const tt_parameters *file, const tt_parameters *model) {
  for (int i = 0; i < model->count; i++) {
    const tt_parameter *wanted = &model->list[i], *found = tt_parameters_find(file, wanted->name);
    if (!found)
      return tt_fail(TT_ERR_FORMAT,
                     "%s holds another model: it has no %s (see its configuration: "
                     "twotrack checkpoint info --config)",
                     path, wanted->name);
    if (wanted->dims == found->dims && wanted->shape[0] == found->shape[0] &&
        wanted->shape[1] == found->shape[1])
      continue;
    char here[40], there[40];
    shape_text(found, there), shape_text(wanted, here);
    return tt_fail(TT_ERR_FORMAT,
                   "%s holds another model: its %s is %s, not %s (see its configuration: "
                   "twotrack checkpoint info --config)",
                   path, wanted->name, there, here);
  }
  for (int i = 0; i < file->count; i++)
    if (!tt_parameters_find(model, file->list[i].name))
      return tt_fail(TT_ERR_FORMAT, "%s holds another model: it has %s, this model does not", path,
                     file->list[i].name);
  return TT_OK;
}

static tt_status open_values(const char *path, int *file) {
  *file = open(path, O_RDONLY | O_CLOEXEC);
  return *file < 0 ? tt_fail(TT_ERR_IO, "cannot open %s: %s", path, strerror(errno)) : TT_OK;
}

static tt_status check_buffer(int file, const char *path, const tt_checkpoint_info *info) {
  float means[TT_GAUSSIANS], ours[TT_GAUSSIANS];
  tt_digest digest;
  TT_TRY(read_values(file, path, info->buffer_at, sizeof means, (char *)means, &digest));
  if (!same(digest, info->buffer_digest))
    return tt_fail(TT_ERR_CORRUPT, "%s: the values of weights/%s are not what was written", path,
                   TT_CHECKPOINT_BUFFER);
  tt_gaussian_means(ours);
  if (memcmp(means, ours, sizeof means) == 0) return TT_OK;
  return tt_fail(TT_ERR_FORMAT, "%s holds another model: its %s has other values", path,
                 TT_CHECKPOINT_BUFFER);
}

static tt_status read_arrays(const char *path, const tt_checkpoint_info *info,
                             const tt_parameters *parameters, float *const arrays[]) {
  int file;
  TT_TRY(open_values(path, &file));
  tt_status status = check_buffer(file, path, info);
  for (int s = 0; s < TT_CHECKPOINT_SECTIONS; s++)
    for (int i = 0; arrays[s] && i < info->parameters.count && status == TT_OK; i++) {
      const tt_parameter *place = tt_parameters_find(parameters, info->parameters.list[i].name);
      status = read_tensor(file, path, info, s, i, arrays[s] + place->offset);
    }
  close(file);
  return status;
}

tt_status tt_checkpoint_read(const char *path, const tt_parameters *parameters, float *weights,
                             float *moment1, float *moment2, tt_progress_state *state) {
  float *const arrays[TT_CHECKPOINT_SECTIONS] = {weights, moment1, moment2};
  tt_checkpoint_info info;
  TT_TRY(tt_checkpoint_info_read(path, &info));
  tt_status status = compare_tables(path, &info.parameters, parameters);
  if (status == TT_OK && (moment1 || moment2) && !info.has_moments)
    status = tt_fail(TT_ERR_FORMAT, "%s holds weights only: training cannot go on from it", path);
  if (status == TT_OK) status = read_arrays(path, &info, parameters, arrays);
  if (status == TT_OK && state) {
    *state = info.state;
    info.state.config = NULL;
  }
  tt_checkpoint_info_free(&info);
  return status;
}

tt_status tt_checkpoint_verify(const char *path, void (*report)(void *user, const char *tensor), void *user,
                               tt_digest *digest) {
  tt_checkpoint_info info;
  TT_TRY(tt_checkpoint_info_read(path, &info));
  const int count = info.parameters.count, sections = info.has_moments ? TT_CHECKPOINT_SECTIONS : 1;
  int file = -1, differ = 0;
  tt_digest now;
  tt_status status = open_values(path, &file);
  for (int k = 0; k <= sections * count && status == TT_OK; k++) {
    bool buffer = k == sections * count;
    const tt_parameter *p = buffer ? NULL : &info.parameters.list[k % count];
    status = read_values(file, path, buffer ? info.buffer_at : info.at[k],
                         buffer ? TT_GAUSSIANS * 4 : p->count * 4, NULL, &now);
    tt_digest *stored = buffer ? &info.buffer_digest : &info.digests[k];
    if (status != TT_OK || same(now, *stored)) continue;
    char name[120];
    snprintf(name, sizeof name, "%s/%s", buffer ? "weights" : tt_checkpoint_sections[k / count],
             buffer ? TT_CHECKPOINT_BUFFER : p->name);
    differ++;
    *stored = now;
    if (report) report(user, name);
  }
  if (file >= 0) close(file);
  if (status == TT_OK && digest)
    *digest = tt_checkpoint_whole_digest(&info.parameters, sections, info.digests, &info.state);
  if (status == TT_OK && differ)
    status = tt_fail(TT_ERR_CORRUPT, "%s: %d of %d tensors are not what was written", path, differ,
                     sections * count + 1);
  tt_checkpoint_info_free(&info);
  return status;
}
