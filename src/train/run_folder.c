#include "train/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/lock.h"
#include "train/runlog.h"

static bool folder_is_empty(const char *path) {
  DIR *d = opendir(path);
  if (!d) return true;
  bool empty = true;
  for (struct dirent *e; empty && (e = readdir(d));)
    empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
  closedir(d);
  return empty;
}

tt_status tt_run_folder_check_empty(const char *folder) {
  if (folder_is_empty(folder)) return TT_OK;
  return tt_fail(TT_ERR_ARGUMENT,
                 "%s is there already and not empty; add --resume to go on with that run, or choose "
                 "another --out",
                 folder);
}

static bool may_differ(const char *line) {
  static const char *const free_keys[] = {"store",
                                          "device",
                                          "read_ahead",
                                          "bad_chunks",
                                          "recompute",
                                          "log_every",
                                          "checkpoint_every",
                                          "checkpoint_keep",
                                          "checkpoint_writer",
                                          "replica_check_every",
                                          "hang_limit",
                                          "hang_limit_start",
                                          "silent_check_every",
                                          "spike_window",
                                          "spike_z",
                                          "non_finite",
                                          "skip_batches",
                                          "skip_limit",
                                          "tensor",
                                          "share_gpu",
                                          "exchange",
                                          "reduction"};
  const char *key = line + strspn(line, " ");
  for (size_t f = 0; f < sizeof free_keys / sizeof *free_keys; f++) {
    size_t m = strlen(free_keys[f]);
    if (strncmp(key, free_keys[f], m) == 0 && strchr(" =:", key[m]) != NULL) return true;
  }
  return false;
}

static size_t next_line(const char *text, size_t at) {
  at += strcspn(text + at, "\n");
  return at + (text[at] == '\n');
}

static size_t pass_free_lines(const char *text, size_t at) {
  while (text[at] && may_differ(text + at)) at = next_line(text, at);
  return at;
}

// Finds the first line in which two resolved configurations differ, other than in what may change between
// runs (and may be missing: an older program had fewer keys): its place in each.
static bool find_difference(const char *a, const char *b, size_t *at_a, size_t *at_b) {
  for (*at_a = *at_b = 0;; *at_a = next_line(a, *at_a), *at_b = next_line(b, *at_b)) {
    *at_a = pass_free_lines(a, *at_a), *at_b = pass_free_lines(b, *at_b);
    if (!a[*at_a] && !b[*at_b]) return false;
    size_t n = strcspn(a + *at_a, "\n"), k = strcspn(b + *at_b, "\n");
    if (n != k || strncmp(a + *at_a, b + *at_b, n) != 0) return true;
  }
}

bool tt_run_folder_differs(const char *before, const char *now, tt_config_difference *difference) {
  size_t at_before, at_now;
  if (!find_difference(before, now, &at_before, &at_now)) return false;
  tt_config_line(before, at_before, difference->before, sizeof difference->before);
  tt_config_line(now, at_now, difference->now, sizeof difference->now);
  return true;
}

tt_status tt_run_folder_check_same(const char *folder, const char *checkpoint, const tt_progress_state *then,
                                   const char *config_text, const tt_store *store) {
  tt_config_difference d;
  if (tt_run_folder_differs(then->config ? then->config : "", config_text, &d))
    return tt_fail(TT_ERR_CONFIG,
                   "%s was written with another configuration: '%s', now '%s'; resume with the run's own "
                   "%s/config.cfg, or start a new run with --init-from",
                   checkpoint, d.before, d.now, folder);
  if (strcmp(then->store_digest, tt_store_digest(store)) != 0)
    return tt_fail(
        TT_ERR_DATA,
        "%s was trained on another store than %s (digest %s, now %s); give --store with the run's own "
        "store",
        checkpoint, tt_store_folder(store), then->store_digest, tt_store_digest(store));
  return TT_OK;
}

tt_status tt_run_folder_lock(const char *folder, int *lock) {
  return *lock >= 0 ? TT_OK : tt_folder_lock(folder, lock);
}

// A run that was stopped before its first checkpoint was written starts again, over its log. A log that tells
// of a checkpoint has lost it: nothing is thrown away.
static tt_status drop_log_without_checkpoint(const char *path) {
  char *text;
  size_t bytes;
  if (!tt_file_exists(path)) return TT_OK;
  TT_TRY(tt_file_read(path, &text, &bytes));
  bool header = memchr(text, '\n', bytes) != NULL; // else it was stopped while writing the first line
  free(text);
  int64_t saved = 0;
  if (header) TT_TRY(tt_runlog_saved(path, &saved));
  if (saved)
    return tt_fail(
        TT_ERR_DATA,
        "%s tells of a checkpoint of step %lld, but there is no checkpoint to go on from: put the run's "
        "checkpoints back (those found broken were renamed to end in .broken), move its folder away, or "
        "choose "
        "another --out",
        path, (long long)saved);
  return unlink(path) == 0 ? TT_OK : tt_fail(TT_ERR_IO, "cannot remove %s: %s", path, strerror(errno));
}

tt_status tt_run_folder_tidy(const char *folder, int keep) {
  static const char *const names[] = {"config.cfg", "run.jsonl"}; // all that is written by tt_file_replace
  char path[PATH_MAX];
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[k]);
    tt_file_tidy(path);
  }
  return tt_checkpoint_prune(folder, keep);
}

tt_status tt_run_folder_start(const char *folder, const char *config_text, bool resume, int *lock) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/checkpoints", folder);
  TT_TRY(tt_make_directories(path));
  TT_TRY(tt_run_folder_lock(folder, lock));
  TT_TRY(tt_run_folder_tidy(folder, 0));
  snprintf(path, sizeof path, "%s/run.jsonl", folder);
  if (resume) TT_TRY(drop_log_without_checkpoint(path));
  snprintf(path, sizeof path, "%s/config.cfg", folder);
  return tt_file_replace(path, config_text, strlen(config_text));
}
