// A checkpoint compared with its digests, and with a model.
#include "train/checkpoint_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"

// Digests the `count` values at `at`, piece by piece.
static tt_status digest_at(int file, const char *path, int64_t at, int64_t count, tt_digest *digest) {
  enum { PIECE = 1 << 16 };
  float *piece = NULL;
  tt_element_digest all = {0};
  tt_status status = tt_alloc(&piece, PIECE, sizeof *piece, "values of a checkpoint");
  for (int64_t i = 0; i < count && status == TT_OK; i += PIECE) {
    int64_t n = count - i < PIECE ? count - i : PIECE;
    status = tt_checkpoint_get_bytes(file, path, piece, 4 * n, at + 4 * i);
    if (status == TT_OK) tt_element_digest_add(&all, piece, n, i);
  }
  *digest = tt_element_digest_text(all);
  free(piece);
  return status;
}

static bool same(tt_digest a, tt_digest b) {
  return strcmp(a.text, b.text) == 0;
}

static void shape_text(const tt_parameter *p, char text[40]) {
  int n = snprintf(text, 40, "%d", p->shape[0]);
  if (p->dims == 2) snprintf(text + n, 40 - (size_t)n, " x %d", p->shape[1]);
}

tt_status tt_checkpoint_compare_tables(const char *path, const tt_parameters *file,
                                       const tt_parameters *model) {
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

tt_status tt_checkpoint_read_means(const char *path, tt_checkpoint_info *info) {
  float *means = info->state.means;
  int file;
  TT_TRY(open_values(path, &file));
  tt_status status = tt_checkpoint_get_bytes(file, path, means, sizeof info->state.means, info->buffer_at);
  close(file);
  TT_TRY(status);
  tt_element_digest digest = {0};
  tt_element_digest_add(&digest, means, TT_GAUSSIANS, 0);
  if (!same(tt_element_digest_text(digest), info->buffer_digest))
    return tt_fail(TT_ERR_CORRUPT, "%s: the values of weights/%s are not what was written", path,
                   TT_CHECKPOINT_BUFFER);
  return TT_OK;
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
    status =
        digest_at(file, path, buffer ? info.buffer_at : info.at[k], buffer ? TT_GAUSSIANS : p->count, &now);
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
    *digest =
        tt_checkpoint_whole_digest(&info.parameters, sections, info.digests, info.buffer_digest, &info.state);
  if (status == TT_OK && differ)
    status = tt_fail(TT_ERR_CORRUPT, "%s: %d of %d tensors are not what was written", path, differ,
                     sections * count + 1);
  tt_checkpoint_info_free(&info);
  return status;
}
