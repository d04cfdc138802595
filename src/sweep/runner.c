#include "sweep/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/exit_codes.h"
#include "core/lock.h"
#include "core/memory.h"
#include "core/progress.h"
#include "sweep/estimate.h"

enum { MOST_WORDS = 64 };

typedef struct {
  pid_t pid; // also of its process group; 0: free
  int run;
  double begun;
  off_t output; // bytes its log had: what follows is of this start
} job;

typedef struct {
  const tt_sweep_runs *runs;
  tt_sweep_status *statuses;
  const tt_sweep_runner *how;
  tt_sweep_outcome *outcome;
  char *words[MOST_WORDS]; // of the launcher
  int word_count;
  char *word_text;
  job *jobs; // (how->jobs)
  int running;
  int next;        // run to look at next
  double *seconds; // (runs->count), of estimate.h
} sweep;

// ---- signals ----

static volatile sig_atomic_t signals, last_signal;

static void on_signal(int number) {
  signals++;
  last_signal = number;
}

static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

// What asks a run to save and end. Not SIGTERM: mpirun kills its ranks soon after one, this it passes on.
enum { ASK_TO_STOP = SIGUSR1 };
enum { WATCHED = sizeof watched / sizeof *watched };

static void watch(struct sigaction before[WATCHED]) {
  struct sigaction action = {.sa_handler = on_signal}; // no SA_RESTART: a sleep ends
  sigemptyset(&action.sa_mask);
  signals = 0;
  for (int i = 0; i < WATCHED; i++) sigaction(watched[i], &action, &before[i]);
}

static void end_watch(const struct sigaction before[WATCHED]) {
  for (int i = 0; i < WATCHED; i++) sigaction(watched[i], &before[i], NULL);
}

// ---- one run ----

// As execvp will look for it: said once here, not by every run.
static tt_status find_launcher(const char *name) {
  const char *folders = getenv("PATH");
  char path[PATH_MAX];
  bool found = strchr(name, '/') && access(name, X_OK) == 0;
  for (const char *p = strchr(name, '/') ? NULL : folders; p && !found; p = *p ? p + 1 : NULL) {
    size_t n = strcspn(p, ":");
    int length = snprintf(path, sizeof path, "%.*s%s%s", (int)n, p, n ? "/" : "", name);
    found = length < PATH_MAX && access(path, X_OK) == 0;
    p += n;
  }
  if (found || (!folders && !strchr(name, '/'))) return TT_OK;
  return tt_fail(TT_ERR_ARGUMENT, "--launch: there is no program %s that could be started", name);
}

static tt_status split_launcher(sweep *s) {
  s->word_text = strdup(s->how->launch ? s->how->launch : "");
  if (!s->word_text) return tt_fail(TT_ERR_MEMORY, "out of memory for --launch");
  char *rest;
  for (char *w = strtok_r(s->word_text, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
    if (s->word_count == MOST_WORDS)
      return tt_fail(TT_ERR_ARGUMENT, "--launch has more than %d words", MOST_WORDS);
    s->words[s->word_count++] = w;
  }
  return s->word_count ? find_launcher(s->words[0]) : TT_OK;
}

// In the child: never returns. Only calls that are safe after a fork.
static void become(char *const *arguments, int output, pid_t parent) {
  setpgid(0, 0); // so that a terminal's Ctrl-C reaches it once, from us
  prctl(PR_SET_PDEATHSIG, ASK_TO_STOP);
  if (getppid() != parent) _exit(127);
  for (int i = 0; i < WATCHED; i++) signal(watched[i], SIG_DFL);
  int nothing = open("/dev/null", O_RDONLY);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  dup2(output, STDOUT_FILENO), dup2(output, STDERR_FILENO);
  execvp(arguments[0], arguments);
  dprintf(STDERR_FILENO, "twotrack: error: cannot start %s: %s\n", arguments[0], strerror(errno));
  _exit(127);
}

static tt_status start(sweep *s, int run, job *j) {
  const tt_sweep_run *r = &s->runs->list[run];
  char folder[PATH_MAX], config[PATH_MAX], output[PATH_MAX], *arguments[MOST_WORDS + 7];
  TT_TRY(tt_sweep_run_folder(s->runs, r, folder, sizeof folder));
  TT_TRY(tt_sweep_run_config(s->runs, r, config, sizeof config));
  TT_TRY(tt_sweep_run_output(s->runs, r, output, sizeof output));
  char *const call[] = {(char *)s->how->program, "train", config, "--out", folder, "--resume", NULL};
  memcpy(arguments, s->words, (size_t)s->word_count * sizeof *arguments);
  memcpy(arguments + s->word_count, call, sizeof call);
  int file = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return tt_fail(TT_ERR_IO, "cannot write to %s: %s", output, strerror(errno));
  off_t before = lseek(file, 0, SEEK_END);
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) become(arguments, file, parent);
  int why = errno;
  close(file);
  if (pid < 0) return tt_fail(TT_ERR_IO, "cannot start a process: %s", strerror(why));
  setpgid(pid, pid); // here too: whoever is first
  *j = (job){pid, run, tt_now(), before < 0 ? 0 : before};
  s->running++;
  tt_progress_clear();
  fprintf(stderr, "started  %s%s\n", r->name,
          s->statuses[run].state == TT_SWEEP_NOT_STARTED ? "" : ", which goes on");
  return TT_OK;
}

// ---- how a run has ended ----

// The line of a run's output that says most, of what follows its first `before` bytes: the last that tells of
// an error, else the last one, but none of progress.
static void find_message(const char *path, off_t before, char *message, size_t size) {
  snprintf(message, size, "see %.880s", path);
  FILE *file = fopen(path, "rb");
  char *line = NULL;
  size_t room = 0;
  bool error = false;
  if (file && fseeko(file, 0, SEEK_END) == 0) {
    off_t end = ftello(file), first = end > 65536 ? end - 65536 : 0;
    if (before <= end)
      fseeko(file, before > first ? before : first, SEEK_SET); // else: somebody has cut the log
  }
  for (ssize_t n; file && (n = getline(&line, &room, file)) > 0;) {
    while (n && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = 0;
    bool is_error = strstr(line, "error") != NULL;
    if (n == 0 || (error && !is_error) || strncmp(line, "training  ", 10) == 0) continue;
    error |= is_error;
    snprintf(message, size, "%s", line);
  }
  free(line);
  if (file) fclose(file);
}

static tt_status note_failure(sweep *s, const job *j, const char *how) {
  const tt_sweep_run *r = &s->runs->list[j->run];
  tt_sweep_outcome *o = s->outcome;
  char output[PATH_MAX], message[900];
  TT_TRY(tt_sweep_run_output(s->runs, r, output, sizeof output));
  find_message(output, j->output, message, sizeof message);
  void *more = realloc(o->failures, ((size_t)o->failed + 1) * sizeof *o->failures);
  if (!more) return tt_fail(TT_ERR_MEMORY, "out of memory for the list of failures");
  o->failures = more;
  snprintf(o->failures[o->failed], sizeof *o->failures, "%s: %s: %s", r->name, how, message);
  fprintf(stderr, "FAILED   %s\n", o->failures[o->failed++]);
  return TT_OK;
}

static tt_status finish(sweep *s, const job *j, int code) {
  const tt_sweep_run *r = &s->runs->list[j->run];
  tt_sweep_status *now = &s->statuses[j->run];
  char how[80];
  bool stopped_by_itself = WIFEXITED(code) && WEXITSTATUS(code) == TT_EXIT_STOPPED;
  s->running--;
  TT_TRY(tt_sweep_status_read(now, s->runs, r, s->how->digest));
  tt_progress_clear();
  tt_status status = TT_OK;
  if (now->state == TT_SWEEP_DONE && WIFEXITED(code) && WEXITSTATUS(code) == 0) {
    fprintf(stderr, "done     %s: loss %.4f +- %.4f, %.0f s\n", r->name, now->loss, now->loss_se,
            tt_now() - j->begun);
    s->outcome->done++;
  } else if (s->outcome->stopped || stopped_by_itself) {
    s->outcome->stopped =
        true; // what ends one run, a time limit or a signal to the job, ends the others as well
    fprintf(stderr, "stopped  %s at update %lld of %lld\n", r->name, (long long)now->step,
            (long long)r->config.train.steps);
  } else {
    if (WIFSIGNALED(code))
      snprintf(how, sizeof how, "ended by signal %d", WTERMSIG(code));
    else if (WEXITSTATUS(code))
      snprintf(how, sizeof how, "exit %d", WEXITSTATUS(code));
    else
      snprintf(how, sizeof how, "ended before update %lld", (long long)r->config.train.steps);
    status = note_failure(s, j, how);
  }
  return status;
}

static tt_status collect(sweep *s) {
  tt_status status = TT_OK;
  for (int k = 0; k < s->how->jobs; k++) {
    job *j = &s->jobs[k];
    int code;
    pid_t ended = j->pid ? waitpid(j->pid, &code, WNOHANG) : 0;
    if (ended != j->pid || !j->pid) continue;
    if (status == TT_OK) status = finish(s, j, code);
    j->pid = 0;
  }
  return status;
}

// ---- all of them ----

static void pass_on(sweep *s, int number) {
  for (int k = 0; k < s->how->jobs; k++)
    if (s->jobs[k].pid) kill(-s->jobs[k].pid, number);
}

// The next run that is left, looked at again, for time has passed; -1: none.
static tt_status choose(sweep *s, int *run) {
  for (*run = -1; s->next < s->runs->count; s->next++) {
    tt_sweep_status *now = &s->statuses[s->next];
    if (!tt_sweep_is_left(now)) continue;
    TT_TRY(tt_sweep_status_read(now, s->runs, &s->runs->list[s->next], s->how->digest));
    if (tt_sweep_is_left(now)) return *run = s->next++, TT_OK;
  }
  return TT_OK;
}

static tt_status fill(sweep *s) {
  for (int k = 0; k < s->how->jobs && !s->outcome->stopped; k++) {
    int run;
    if (s->jobs[k].pid) continue;
    TT_TRY(choose(s, &run));
    if (run < 0) return TT_OK;
    TT_TRY(start(s, run, &s->jobs[k]));
  }
  return TT_OK;
}

static tt_status show(sweep *s) {
  int64_t done = 0, total = 0;
  int finished = 0;
  for (int k = 0; k < s->how->jobs; k++) {
    int run = s->jobs[k].run;
    if (!s->jobs[k].pid) continue;
    TT_TRY(tt_sweep_status_read(&s->statuses[run], s->runs, &s->runs->list[run], s->how->digest));
  }
  for (int i = 0; i < s->runs->count; i++) {
    if (s->statuses[i].state == TT_SWEEP_OTHER) continue;
    total += s->runs->list[i].config.train.steps, done += s->statuses[i].step;
    finished += s->statuses[i].state == TT_SWEEP_DONE;
  }
  tt_sweep_estimate(s->runs, s->statuses, s->seconds);
  char what[40];
  snprintf(what, sizeof what, "%d of %d runs done", finished, s->runs->count);
  if (done < total) // the last line is ours to write
    tt_progress_show(
        &(tt_progress){.what = what,
                       .counter = "step",
                       .done = done,
                       .total = total,
                       .rate = NAN,
                       .loss = NAN,
                       .seconds_left = tt_sweep_seconds_left(s->seconds, s->runs->count, s->how->jobs)});
  return TT_OK;
}

static tt_status loop(sweep *s) {
  double shown = tt_now();
  for (int passed = 0;;) {
    TT_TRY(collect(s));
    if (signals > passed) {
      s->outcome->stopped = true;
      tt_progress_clear();
      fprintf(stderr, "signal %d: %s\n", (int)last_signal, passed ? "killing the runs" : "ending the runs");
      pass_on(s, passed ? SIGKILL : ASK_TO_STOP);
      passed = signals;
    }
    TT_TRY(fill(s));
    if (s->running == 0) return TT_OK;
    if (!s->outcome->stopped && tt_now() - shown > 1) {
      shown = tt_now();
      TT_TRY(show(s));
    }
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  }
}

// After an error of ours.
static void abandon(sweep *s) {
  pass_on(s, ASK_TO_STOP);
  for (int k = 0; k < s->how->jobs; k++)
    if (s->jobs[k].pid)
      while (waitpid(s->jobs[k].pid, NULL, 0) < 0 && errno == EINTR) continue;
}

static tt_status read_again(sweep *s) {
  for (int i = 0; i < s->runs->count; i++) {
    TT_TRY(tt_sweep_status_read(&s->statuses[i], s->runs, &s->runs->list[i], s->how->digest));
    s->outcome->elsewhere += s->statuses[i].state == TT_SWEEP_RUNNING;
  }
  return TT_OK;
}

tt_status tt_sweep_run_here(const tt_sweep_runs *runs, tt_sweep_status *statuses, const tt_sweep_runner *how,
                            tt_sweep_outcome *outcome) {
  *outcome = (tt_sweep_outcome){0};
  sweep s = {.runs = runs, .statuses = statuses, .how = how, .outcome = outcome};
  struct sigaction before[WATCHED];
  int lock;
  TT_TRY(tt_folder_lock(runs->out, &lock));
  tt_status status = split_launcher(&s);
  if (status == TT_OK) status = tt_alloc(&s.jobs, (size_t)how->jobs, sizeof *s.jobs, "jobs");
  if (status == TT_OK) status = tt_alloc(&s.seconds, (size_t)runs->count, sizeof *s.seconds, "times of runs");
  if (status == TT_OK) {
    watch(before);
    status = loop(&s);
    if (status != TT_OK) abandon(&s);
    end_watch(before);
  }
  tt_progress_clear();
  if (status == TT_OK) status = read_again(&s);
  free(s.word_text), free(s.jobs), free(s.seconds);
  close(lock);
  return status;
}

void tt_sweep_outcome_free(tt_sweep_outcome *outcome) {
  free(outcome->failures);
  *outcome = (tt_sweep_outcome){0};
}
