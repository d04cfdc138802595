// The checkpoints of a run folder: RUN/checkpoints/step-000001234.h5.
#include "train/checkpoint.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

tt_status tt_checkpoint_path(const char *run, int64_t step, char *path, size_t size) {
  int n = snprintf(path, size, "%s/checkpoints/step-%09lld.h5", run, (long long)step);
  if (n > 0 && (size_t)n < size) return TT_OK;
  return tt_fail(TT_ERR_IO, "the path of the run folder %.60s... is too long", run);
}

// The step in a checkpoint's name; -1 for another file, -2 for a checkpoint's temporary file.
static int64_t step_of(const char *name) {
  if (strncmp(name, "step-", 5) != 0 || !isdigit((unsigned char)name[5])) return -1;
  char *end;
  errno = 0;
  long long step = strtoll(name + 5, &end, 10);
  if (errno || end - name < 14) return -1;
  if (strcmp(end, ".h5") == 0) return step;
  return strncmp(end, ".h5.tmp.", 8) == 0 ? -2 : -1;
}

static int newest_first(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x < y) - (x > y);
}

// The steps of a run's checkpoints, newest first; with `tidy`, temporary files are removed. No folder: none.
static tt_status list(const char *run, bool tidy, int64_t **steps, int *count) {
  *steps = NULL, *count = 0;
  char folder[PATH_MAX], path[PATH_MAX + 300];
  snprintf(folder, sizeof folder, "%s/checkpoints", run);
  DIR *d = opendir(folder);
  if (!d && errno == ENOENT) return TT_OK;
  if (!d) return tt_fail(TT_ERR_IO, "cannot read the folder %s: %s", folder, strerror(errno));
  tt_status status = TT_OK;
  for (const struct dirent *e; status == TT_OK && (e = readdir(d));) {
    int64_t step = step_of(e->d_name);
    if (step == -2 && tidy) {
      snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
      unlink(path);
    }
    if (step < 0) continue;
    int64_t *larger = realloc(*steps, ((size_t)*count + 1) * sizeof **steps);
    if (!larger)
      status = tt_fail(TT_ERR_MEMORY, "out of memory for the files of %s", folder);
    else
      *steps = larger, larger[(*count)++] = step;
  }
  closedir(d);
  if (*count) qsort(*steps, (size_t)*count, sizeof **steps, newest_first);
  return status;
}

tt_status tt_checkpoint_newest(const char *run, int64_t before, int64_t *step, char *path, size_t size) {
  int64_t *steps;
  int count, i = 0;
  path[0] = 0, *step = -1;
  tt_status status = list(run, false, &steps, &count);
  while (status == TT_OK && i < count && steps[i] >= before) i++;
  if (status == TT_OK && i < count) {
    *step = steps[i];
    status = tt_checkpoint_path(run, *step, path, size);
  }
  free(steps);
  return status;
}

tt_status tt_checkpoint_set_aside(const char *path) {
  char aside[PATH_MAX + 8];
  snprintf(aside, sizeof aside, "%s.broken", path);
  if (rename(path, aside) == 0) return TT_OK;
  return tt_fail(TT_ERR_IO, "cannot rename %s to %s: %s", path, aside, strerror(errno));
}

tt_status tt_checkpoint_prune(const char *run, int keep) {
  int64_t *steps;
  int count;
  tt_status status = list(run, true, &steps, &count);
  for (int i = keep; keep > 0 && status == TT_OK && i < count; i++) {
    char path[PATH_MAX];
    status = tt_checkpoint_path(run, steps[i], path, sizeof path);
    if (status == TT_OK && unlink(path) != 0 && errno != ENOENT)
      status = tt_fail(TT_ERR_IO, "cannot remove %s: %s", path, strerror(errno));
  }
  free(steps);
  return status;
}
