#include "preflight/here.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"
#include "preflight/filesystem.h"
#include "store/store.h"

// ---- store

static void find_shards(const tt_store *store, const tt_launcher *l, tt_report *r) {
  for (uint32_t k = (uint32_t)l->local_rank; k < tt_store_shards(store); k += (uint32_t)l->local_size)
    if (tt_store_find_shard(store, k) != TT_OK) {
      tt_report_problem(r, "store: %s", tt_error_message());
      return;
    }
}

// Ranks read different places, so that many disks are asked.
static void read_molecules(tt_store *store, const tt_launcher *l, tt_report *r) {
  uint64_t chunks = tt_store_chunks(store, TT_TRAIN);
  tt_chunk chunk = {0};
  if (chunks == 0)
    tt_report_problem(r, "store: %s has no molecules to train on", tt_store_folder(store));
  else if (tt_store_read_chunk(store, TT_TRAIN, chunks * (uint64_t)l->rank / (uint64_t)l->size, &chunk) !=
           TT_OK)
    tt_report_problem(r, "store: %s", tt_error_message());
  tt_chunk_free(&chunk);
}

void tt_here_store(const char *folder, tt_attendance *a, tt_report *r) {
  tt_store *store;
  tt_attendance_at(a, false, "reading the store's manifest, %s", folder);
  tt_filesystem_kind(folder, r->store_system, sizeof r->store_system, NULL);
  if (tt_store_open(&store, folder) != TT_OK) {
    tt_report_problem(r, "store: %s", tt_error_message());
    return;
  }
  snprintf(r->store_digest, sizeof r->store_digest, "%s", tt_store_digest(store));
  tt_attendance_at(a, false, "looking for the store's shards, %s", folder);
  find_shards(store, &a->launcher, r);
  tt_attendance_at(a, false, "reading molecules from the store, %s", folder);
  read_molecules(store, &a->launcher, r);
  tt_store_close(store);
}

// ---- folder

// 0: a second opening of a locked file is refused the lock, as it should be. Else the error, or -1: it was
// granted.
static int try_locks(const char *path) {
  int first = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666), second = open(path, O_RDWR | O_CLOEXEC),
      code = 0;
  if (first < 0 || second < 0 || flock(first, LOCK_EX | LOCK_NB) != 0)
    code = errno;
  else if (flock(second, LOCK_EX | LOCK_NB) == 0)
    code = -1;
  if (first >= 0) close(first);
  if (second >= 0) close(second);
  unlink(path);
  return code;
}

static bool hdf5_locks(void) {
  const char *setting = getenv("HDF5_USE_FILE_LOCKING");
  return !setting ||
         (strcmp(setting, "FALSE") != 0 && strcmp(setting, "0") != 0 && strcmp(setting, "BEST_EFFORT") != 0);
}

static void look_at_locks(const tt_attendance *a, tt_report *r) {
  char path[PATH_MAX + 160];
  snprintf(path, sizeof path, "%s/lock-%d", a->folder, a->launcher.rank);
  int code = try_locks(path);
  r->locks_work = code == 0;
  if (code == 0) return;
  tt_report_note(r, "%s: no file locks there (%s), so two jobs in one folder would not be noticed%s", a->run,
                 code > 0 ? strerror(code) : "they are granted twice",
                 hdf5_locks() ? "; HDF5 may refuse to open files: export HDF5_USE_FILE_LOCKING=FALSE" : "");
}

static tt_status write_and_read(const char *path) {
  enum { BYTES = 1 << 20 };
  char *data = malloc(BYTES), *back = NULL;
  size_t bytes = 0;
  tt_status status = data ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory for 1 MB");
  for (size_t k = 0; data && k < BYTES; k++) data[k] = (char)(k * 2654435761u >> 13);
  if (status == TT_OK) status = tt_file_replace(path, data, BYTES);
  if (status == TT_OK) status = tt_file_read(path, &back, &bytes);
  if (status == TT_OK && (bytes != BYTES || memcmp(data, back, BYTES) != 0))
    status = tt_fail(TT_ERR_CORRUPT, "%s: what was written is not what is read back", path);
  if (unlink(path) != 0 && status == TT_OK)
    status = tt_fail(TT_ERR_IO, "cannot remove %s: %s", path, strerror(errno));
  free(data), free(back);
  return status;
}

// The processes of a job that was killed may take a moment to go: training waits as long.
static bool another_job(const char *run) {
  for (double begun = tt_now(); tt_folder_is_locked(run);) {
    if (tt_now() - begun > 5) return true;
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  }
  return false;
}

void tt_here_folder(tt_attendance *a, tt_report *r) {
  char path[PATH_MAX + 160];
  tt_attendance_at(a, false, "writing into %s", a->run);
  tt_filesystem_kind(a->run, r->folder_system, sizeof r->folder_system, &r->folder_free);
  snprintf(path, sizeof path, "%s/write-%d", a->folder, a->launcher.rank);
  double begun = tt_now();
  if (write_and_read(path) != TT_OK) {
    tt_report_problem(r, "run folder: %s", tt_error_message());
    return;
  }
  r->write_seconds = tt_now() - begun;
  r->folder_works = true;
  tt_attendance_at(a, false, "trying file locks in %s", a->run);
  look_at_locks(a, r);
  if (another_job(a->run))
    tt_report_problem(
        r, "run folder: another job is writing to %s: wait until it ends, or choose another --out", a->run);
}
