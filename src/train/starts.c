#include "train/starts.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"

enum { ALLOWED = 2 }; // starts from one update before an automatic one is refused

static void path_of(const char *run, char path[PATH_MAX]) {
  if (snprintf(path, PATH_MAX, "%s/starts.jsonl", run) >= PATH_MAX) path[0] = 0;
}

static int count_in(const char *name) {
  const char *text = getenv(name);
  long n = text ? strtol(text, NULL, 10) : 0;
  return n < 0 ? 0 : n > INT_MAX ? INT_MAX : (int)n;
}

int tt_starts_automatic(void) {
  int slurm = count_in("SLURM_RESTART_COUNT"), own = count_in("TWOTRACK_RESTART");
  return slurm > own ? slurm : own;
}

// How many starts from `step` follow each other at the end of the file, none of them after the first by hand.
static tt_status count_starts(const char *path, int64_t step, int *starts) {
  char *text;
  size_t bytes;
  *starts = 0;
  if (!tt_file_exists(path)) return TT_OK;
  TT_TRY(tt_file_read(path, &text, &bytes));
  for (char *line = text, *end = text + bytes, *feed; line < end; line = feed + 1) {
    feed = memchr(line, '\n', (size_t)(end - line));
    if (!feed) feed = end;
    json_t *record = json_loadb(line, (size_t)(feed - line), 0, NULL);
    const json_t *at = json_object_get(record, "step");
    if (json_is_integer(at)) {
      bool by_hand = json_integer_value(json_object_get(record, "restart")) == 0;
      bool here = json_integer_value(at) == step;
      *starts = !here ? 0 : by_hand ? 1 : *starts + 1;
    }
    json_decref(record);
  }
  free(text);
  return TT_OK;
}

tt_status tt_starts_check(const char *run, int64_t step) {
  char path[PATH_MAX];
  int starts;
  if (tt_starts_automatic() == 0) return TT_OK;
  path_of(run, path);
  TT_TRY(count_starts(path, step, &starts));
  if (starts < ALLOWED) return TT_OK;
  return tt_fail(
      TT_ERR_DATA,
      "the run was started %d times from update %lld and has not got on (%s): it is not started again by "
      "itself. Look at what ended those jobs: a time limit that is too short for an update and its "
      "checkpoint, a node that fails; then start it by hand",
      starts, (long long)step, path);
}

tt_status tt_starts_note(const char *run, int64_t step, int ranks) {
  char path[PATH_MAX], node[256] = "";
  path_of(run, path);
  gethostname(node, sizeof node - 1);
  const char *job = getenv("SLURM_JOB_ID");
  json_t *record =
      json_pack("{s:I, s:I, s:s, s:s?, s:i, s:i}", "step", (json_int_t)step, "time", (json_int_t)time(NULL),
                "node", node, "job", job, "restart", tt_starts_automatic(), "ranks", ranks);
  char *text = record ? json_dumps(record, JSON_COMPACT) : NULL, *line = NULL;
  json_decref(record);
  int length = text ? asprintf(&line, "%s\n", text) : -1;
  free(text);
  if (length < 0) return tt_fail(TT_ERR_MEMORY, "out of memory writing %s", path);
  int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  off_t before = file >= 0 ? lseek(file, 0, SEEK_END) : -1;
  errno = 0;
  bool written = file >= 0 && write(file, line, (size_t)length) == length;
  if (file >= 0 && !written && before >= 0) {
    int why = errno ? errno : ENOSPC;
    if (ftruncate(file, before) != 0) why = errno; // a part of a line would spoil the next one
    errno = why;
  }
  bool synced = written && fsync(file) == 0;
  int why = errno;
  if (file >= 0) close(file);
  free(line);
  return synced ? TT_OK : tt_fail(TT_ERR_IO, "cannot write to %s: %s", path, strerror(why));
}
