#include "derive/rewrite_folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"

static bool is_shard(const char *name) {
  unsigned number;
  int end = 0;
  if (sscanf(name, "shard-%5u.h5%n", &number, &end) != 1 || end != 14) return false;
  return !name[end] || strncmp(name + end, ".tmp.", 5) == 0;
}

static bool
is_note(const char *name) { // the names under which files are written that get their own at the end
  return strncmp(name, "origin.json.tmp.", 16) == 0 || strncmp(name, "manifest.json.tmp.", 18) == 0;
}

static tt_status clear(const char *folder) {
  DIR *dir = opendir(folder);
  if (!dir) return tt_fail(TT_ERR_IO, "cannot read the folder %s: %s", folder, strerror(errno));
  tt_status status = TT_OK;
  for (struct dirent *e; status == TT_OK && (e = readdir(dir));) {
    if (!is_shard(e->d_name) && !is_note(e->d_name)) continue;
    if (unlinkat(dirfd(dir), e->d_name, 0) != 0 && errno != ENOENT)
      status = tt_fail(TT_ERR_IO, "cannot remove %s/%s, left by an unfinished job: %s", folder, e->d_name,
                       strerror(errno));
  }
  closedir(dir);
  return status;
}

static tt_status check_no_build(const char *folder) {
  DIR *dir = opendir(folder);
  if (!dir) return tt_fail(TT_ERR_IO, "cannot read the folder %s: %s", folder, strerror(errno));
  tt_status status = TT_OK;
  for (struct dirent *e; status == TT_OK && (e = readdir(dir));)
    if (is_shard(e->d_name) || strcmp(e->d_name, "building") == 0)
      status =
          tt_fail(TT_ERR_ARGUMENT,
                  "%s holds an unfinished build (%s); finish it, remove the folder, or name another with "
                  "--out",
                  folder, e->d_name);
  closedir(dir);
  return status;
}

static tt_status prepare(const char *folder, const char *origin) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/origin.json", folder); // the claim has checked the length
  tt_file_tidy(path); // of a job that was killed before it had begun
  TT_TRY(tt_file_exists(path) ? clear(folder) : check_no_build(folder));
  return tt_file_replace(path, origin, strlen(origin));
}

tt_status tt_rewrite_folder_take(tt_store_claim *claim, const char *folder, const char *origin) {
  TT_TRY(tt_store_claim_take(claim, folder));
  tt_status status = prepare(folder, origin);
  if (status != TT_OK) tt_store_claim_release(claim);
  return status;
}

void tt_rewrite_folder_clear(const tt_store_claim *claim, const char *folder) {
  char path[PATH_MAX], message[1024];
  snprintf(message, sizeof message, "%s", tt_error_message());
  snprintf(path, sizeof path, "%s/origin.json", folder);
  if (clear(folder) == TT_OK && unlink(path) == 0 && claim->made_folder) rmdir(folder);
  tt_fail(TT_OK, "%s", message);
}
