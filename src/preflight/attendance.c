#include "preflight/attendance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/exit_codes.h"
#include "core/file.h"
#include "preflight/late.h"

static const double quiet_seconds =
    6; // a file that is not renewed for so long belongs to a process that does not run

// ---- when even the files cannot be reached

static char last_words[TT_NODE_NAME + PATH_MAX + 300];

static void say_last_words(int signal) {
  (void)signal;
  ssize_t unused = write(STDERR_FILENO, last_words, strlen(last_words));
  (void)unused;
  _exit(TT_EXIT_ERROR);
}

// The thread renews this before everything that may block it.
static void guard(const tt_attendance *a, double seconds) {
  if (a->timeout > 0) alarm((unsigned)(seconds + 1));
}

// ---- files

void tt_attendance_path(const tt_attendance *a, int rank, char *path, size_t size) {
  snprintf(path, size, "%s/rank-%d", a->folder, rank);
}

static void spoken_path(const tt_attendance *a, char *path, size_t size) {
  snprintf(path, size, "%s/told", a->folder);
}

// Opened and closed each time: NFS sends it to the server then.
static tt_status write_file(tt_attendance *a) {
  long beat = a->beat++;
  a->renewed = tt_now();
  char path[PATH_MAX + 160], text[6000];
  tt_attendance_path(a, a->launcher.rank, path, sizeof path);
  pthread_mutex_lock(&a->mutex);
  int length = snprintf(text, sizeof text, "%ld\n%s\n%s\n%.0f\n%d\n%s", beat, a->launcher.node, a->place,
                        tt_now() - a->since, (int)a->waits, a->problems);
  pthread_mutex_unlock(&a->mutex);
  int file = open(path, beat ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  bool fine = file >= 0 && pwrite(file, text, (size_t)length, 0) == length && ftruncate(file, length) == 0;
  int code = errno;
  if (file >= 0 && close(file) != 0 && fine) fine = false, code = errno;
  return fine ? TT_OK : tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(code));
}

static tt_status renew(tt_attendance *a) {
  pthread_mutex_lock(&a->file_mutex);
  tt_status status = write_file(a);
  pthread_mutex_unlock(&a->file_mutex);
  return status;
}

tt_status tt_attendance_arrive(tt_attendance *a) {
  TT_TRY(tt_make_directories(a->folder));
  TT_TRY(renew(a));
  pthread_mutex_lock(&a->mutex);
  a->arrived = true;
  pthread_mutex_unlock(&a->mutex);
  return TT_OK;
}

bool tt_attendance_told(const tt_attendance *a) {
  char path[PATH_MAX + 160];
  spoken_path(a, path, sizeof path);
  if (tt_file_exists(path)) return true;
  tt_attendance_path(a, a->launcher.rank, path, sizeof path);
  return !tt_file_exists(path);
}

static void remove_folder(const char *folder) {
  DIR *d = opendir(folder);
  if (!d) return;
  for (struct dirent *e; (e = readdir(d));) {
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) unlink(path);
  }
  closedir(d);
  rmdir(folder);
}

// Another preflight may be under way in the same folder; after a day it is not.
static void remove_leftovers(const char *run) {
  DIR *d = opendir(run);
  if (!d) return;
  for (struct dirent *e; (e = readdir(d));) {
    char path[PATH_MAX + 300];
    struct stat s;
    snprintf(path, sizeof path, "%s/%s", run, e->d_name);
    if (strncmp(e->d_name, ".preflight-", 11) == 0 && stat(path, &s) == 0 && time(NULL) - s.st_mtime > 86400)
      remove_folder(path);
  }
  closedir(d);
}

void tt_attendance_clear(const tt_attendance *a) {
  remove_folder(a->folder);
  remove_leftovers(a->run);
}

// ---- the thread

// Many ranks renew and look less often, or a metadata server would be kept busy by this alone.
static double pace(const tt_attendance *a) {
  return 1 + a->launcher.size / 500;
}

// Whose files a rank looks at: rank 0 at all, the others at rank 0's only.
typedef struct {
  int first, count;
  long *beats;
  double *moved; // when
} watched;

static bool somebody_is_quiet(const tt_attendance *a, watched *w) {
  bool quiet = false;
  for (int k = 0; k < w->count; k++) {
    tt_attendance_entry e;
    guard(a, a->timeout);
    tt_late_read(a, w->first + k, &e);
    if (!e.there) continue;
    if (e.beat != w->beats[k]) w->beats[k] = e.beat, w->moved[k] = tt_now();
    if (tt_now() - w->moved[k] > quiet_seconds * pace(a)) quiet = true;
  }
  return quiet;
}

_Noreturn static void end_process(const tt_attendance *a) {
  guard(a, a->timeout);
  _exit(TT_EXIT_ERROR);
}

// What is in no file that others could read. The ranks of a node mostly have the same to say.
static void own_problems(tt_attendance *a) {
  bool speaks = a->launcher.size <= 64 || a->launcher.local_rank == 0;
  pthread_mutex_lock(&a->mutex);
  if (!a->arrived && a->problems[0] && speaks)
    fprintf(stderr, "twotrack: error: preflight: node %s (rank %d): %s", a->launcher.node, a->launcher.rank,
            a->problems);
  pthread_mutex_unlock(&a->mutex);
}

// The one who told clears away and ends first: mpirun kills the rest when one of them ends.
_Noreturn static void follow(tt_attendance *a) {
  tt_attendance_pause(a, 3);
  end_process(a);
}

// Waiting has become pointless: one rank says why, and all end.
static void give_up(tt_attendance *a, bool arrived, bool late) {
  char path[PATH_MAX + 160];
  if (!arrived) { // a launcher ends all when one of them ends, so the one that speaks needs its time first
    own_problems(a);
    tt_attendance_pause(a, 12);
    end_process(a);
  }
  if (tt_attendance_told(a)) follow(a);
  if (!tt_late_tell(a, late)) return; // another one will, or it was a false alarm
  spoken_path(a, path, sizeof path);
  tt_file_replace(path, "", 0);
  tt_attendance_pause(a, 1); // srun may leave the others alone: they shall see it
  tt_attendance_clear(a);
  end_process(a);
}

void tt_attendance_pause(tt_attendance *a, double seconds) {
  pthread_mutex_lock(&a->mutex);
  bool arrived = a->arrived;
  pthread_mutex_unlock(&a->mutex);
  for (double begun = tt_now(); tt_now() - begun < seconds;) {
    guard(a, a->timeout);
    pthread_mutex_lock(&a->file_mutex);
    // what another one has cleared away must not come back
    if (arrived && tt_now() - a->renewed > pace(a) && !tt_attendance_told(a)) write_file(a);
    pthread_mutex_unlock(&a->file_mutex);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
  }
}

static void *watch(void *context) {
  tt_attendance *a = context;
  bool all = a->launcher.rank == 0;
  watched w = {all ? 1 : 0, all ? a->launcher.size - 1 : 1, NULL, NULL};
  w.beats = calloc((size_t)w.count + 1, sizeof *w.beats),
  w.moved = calloc((size_t)w.count + 1, sizeof *w.moved);
  for (int k = 0; w.beats && k < w.count; k++) w.beats[k] = -1; // not seen yet
  for (double looked = tt_now(); w.beats && w.moved;) {
    tt_attendance_pause(a, 0.2);
    pthread_mutex_lock(&a->mutex);
    bool ended = a->ended, arrived = a->arrived;
    double at = tt_now() - a->since;
    pthread_mutex_unlock(&a->mutex);
    if (ended) break;
    if (a->timeout <= 0) continue;
    bool late = at > a->timeout, quiet = false;
    if (arrived && !late && tt_now() - looked > 2 * pace(a)) {
      if (tt_attendance_told(a)) follow(a);
      quiet = somebody_is_quiet(a, &w);
      looked = tt_now();
    }
    if (late || quiet) give_up(a, arrived, late);
  }
  free(w.beats), free(w.moved);
  return NULL;
}

tt_status tt_attendance_start(tt_attendance *a, const tt_launcher *launcher, const char *run, double timeout,
                              const tt_report *report) {
  *a = (tt_attendance){.launcher = *launcher, .timeout = timeout, .report = report};
  a->begun = a->since = tt_now();
  pthread_mutex_init(&a->mutex, NULL);
  pthread_mutex_init(&a->file_mutex, NULL);
  snprintf(a->run, sizeof a->run, "%s", run);
  snprintf(a->folder, sizeof a->folder, "%s/.preflight-%s", run, launcher->key);
  snprintf(a->place, sizeof a->place, "the start");
  snprintf(
      last_words, sizeof last_words,
      "twotrack: error: preflight: node %s (rank %d): the file system of %s has not answered for %.0f s\n",
      launcher->node, launcher->rank, run, timeout);
  signal(SIGALRM, say_last_words);
  if (pthread_create(&a->thread, NULL, watch, a) != 0)
    return tt_fail(TT_ERR_MEMORY,
                   "no thread can be started: the limits of this node (ulimit -u) do not allow it");
  a->started = true;
  return TT_OK;
}

void tt_attendance_at(tt_attendance *a, bool waits, const char *format, ...) {
  va_list values;
  va_start(values, format);
  pthread_mutex_lock(&a->mutex);
  vsnprintf(a->place, sizeof a->place, format, values);
  a->waits = waits;
  a->since = tt_now();
  size_t length = 0;
  a->problems[0] = 0;
  for (int k = 0; k < a->report->remark_count && length < sizeof a->problems; k++)
    if (a->report->remarks[k].problem)
      length += (size_t)snprintf(a->problems + length, sizeof a->problems - length, "%s\n",
                                 a->report->remarks[k].text);
  bool arrived = a->arrived;
  pthread_mutex_unlock(&a->mutex);
  va_end(values);
  if (arrived) renew(a); // at once: it may be the last sign of this rank
}

void tt_attendance_end(tt_attendance *a) {
  if (!a->started) return;
  pthread_mutex_lock(&a->mutex);
  a->ended = true;
  pthread_mutex_unlock(&a->mutex);
  pthread_join(a->thread, NULL);
  a->started = false;
  snprintf(last_words, sizeof last_words,
           "twotrack: error: preflight: node %s (rank %d): MPI has not ended within %.0f s\n",
           a->launcher.node, a->launcher.rank, a->timeout);
  guard(a, a->timeout);
}
