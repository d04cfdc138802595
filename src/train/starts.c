#include "train/starts.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "train/json_lines.h"

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

typedef struct {
  int64_t step;
  int starts; // from it that follow each other at the end of the file, none after the first by hand
} chain;

static void take(void *user, const json_t *record) {
  chain *c = user;
  const json_t *at = json_object_get(record, "step");
  if (!json_is_integer(at)) return;
  bool by_hand = json_integer_value(json_object_get(record, "restart")) == 0;
  bool here = json_integer_value(at) == c->step;
  c->starts = !here ? 0 : by_hand ? 1 : c->starts + 1;
}

tt_status tt_starts_check(const char *run, int64_t step) {
  char path[PATH_MAX];
  chain c = {.step = step};
  if (tt_starts_automatic() == 0) return TT_OK;
  path_of(run, path);
  TT_TRY(tt_json_lines_each(path, take, &c));
  if (c.starts < ALLOWED) return TT_OK;
  return tt_fail(
      TT_ERR_DATA,
      "the run was started %d times from update %lld and has not got on (%s): it is not started again by "
      "itself. Look at what ended those jobs: a time limit that is too short for an update and its "
      "checkpoint, a node that fails; then start it by hand",
      c.starts, (long long)step, path);
}

tt_status tt_starts_note(const char *run, int64_t step, int ranks) {
  char path[PATH_MAX], node[256] = "";
  path_of(run, path);
  gethostname(node, sizeof node - 1);
  const char *job = getenv("SLURM_JOB_ID");
  return tt_json_lines_append(path, json_pack("{s:I, s:I, s:s, s:s?, s:i, s:i}", "step", (json_int_t)step,
                                              "time", (json_int_t)time(NULL), "node", node, "job", job,
                                              "restart", tt_starts_automatic(), "ranks", ranks));
}
