#include "core/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/clock.h"

typedef struct {
  char *at;
  size_t left;
} text;

__attribute__((format(printf, 2, 3))) static void put(text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(t->at, t->left, format, args);
  va_end(args);
  size_t used = n < 0 ? 0 : (size_t)n < t->left ? (size_t)n : t->left - 1;
  t->at += used, t->left -= used;
}

// `cells` characters wide; in UTF-8 the last one filled shows eighths.
static void put_bar(text *t, double fraction, int cells, bool utf8) {
  static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  int filled = (int)(fraction * 8 * cells), whole = filled / 8, part = utf8 ? filled % 8 : 0;
  put(t, "%s", utf8 ? "▕" : "[");
  for (int i = 0; i < whole; i++) put(t, "%s", utf8 ? "█" : "#");
  put(t, "%s", eighths[part]);
  for (int i = whole + (part > 0); i < cells; i++) put(t, "%s", utf8 ? "░" : ".");
  put(t, "%s ", utf8 ? "▏" : "]");
}

static void put_seconds(text *t, double seconds) {
  long long s = (long long)(seconds + 0.5);
  if (s >= 86400)
    put(t, "%lld d %lld:%02lld:%02lld", s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
  else if (s >= 3600)
    put(t, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  else
    put(t, "%lld:%02lld", s / 60, s % 60);
}

static void put_loss(text *t, const tt_progress *p, bool terms) {
  const char *const names[] = {"token", "position", "distance"};
  const double values[] = {p->token, p->position, p->distance};
  put(t, fabs(p->loss) < 1e4 ? "  loss %.3f" : "  loss %.3g", p->loss);
  int shown = 0;
  for (int i = 0; terms && i < 3; i++)
    if (!isnan(values[i]))
      put(t, fabs(values[i]) < 1e4 ? "%s%s %.2f" : "%s%s %.3g", shown++ ? "  " : " (", names[i], values[i]);
  if (shown) put(t, ")");
}

// Everything but the cut: `level` 0 has all parts, each further level has less.
static void compose(const tt_progress *p, double seconds, bool utf8, int level, text *t) {
  static const int cells[] = {20, 20, 10, 6, 10, 0};
  double fraction = p->total > 0 ? (double)p->done / (double)p->total : 0;
  fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
  put(t, "%s  ", p->what);
  if (cells[level]) put_bar(t, fraction, cells[level], utf8);
  put(t, "%3d %%", (int)(100 * fraction)); // 100 only when all is done
  if (p->counter)
    put(t, "  %s %lld/%lld", p->counter, (long long)p->done, (long long)p->total);
  else
    put(t, "  %lld/%lld %s", (long long)p->done, (long long)p->total, p->unit);
  if (!isnan(p->loss) && p->loss != 0) put_loss(t, p, level < 1);
  if (level < 4 && isfinite(p->rate) && p->rate > 0)
    put(t, p->rate < 9.95 ? "  %.1f %s/s" : "  %.0f %s/s", p->rate, p->unit);
  if (level < 4 && p->waiting > 0.05) put(t, "  %.0f %% waiting for data", 100 * p->waiting);
  if (p->done >= p->total && isfinite(seconds))
    put(t, "  took "), put_seconds(t, seconds);
  else if (p->done < p->total && isfinite(p->seconds_left) && p->seconds_left >= 0)
    put(t, "  "), put_seconds(t, p->seconds_left), put(t, " left");
}

static bool continues(char c) {
  return ((unsigned char)c & 0xC0) == 0x80;
}

static int columns(const char *line) { // of the characters used here, each takes one
  int n = 0;
  for (; *line; line++) n += !continues(*line);
  return n;
}

static void cut(char *line, int width) {
  int n = 0;
  for (; *line; line++)
    if (!continues(*line) && n++ == width) break;
  *line = 0;
}

void tt_progress_format(const tt_progress *progress, double seconds, int width, bool utf8, char *line,
                        size_t size) {
  for (int level = 0; level < 6; level++) {
    text t = {line, size};
    line[0] = 0;
    compose(progress, seconds, utf8, level, &t);
    if (columns(line) <= width) return;
  }
  cut(line, width);
}

static bool locale_is_utf8(void) {
  const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  for (int i = 0; i < 3; i++) {
    const char *value = getenv(names[i]);
    if (value && *value) return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
  }
  return false;
}

// mpirun hands its ranks a pipe even when it writes to a terminal itself: only whoever started it can tell.
static bool rewrites(void) {
  const char *told = getenv("TWOTRACK_PROGRESS");
  if (told && strcmp(told, "line") == 0) return true;
  if (told && strcmp(told, "plain") == 0) return false;
  const char *terminal = getenv("TERM");
  return isatty(STDERR_FILENO) && terminal && *terminal && strcmp(terminal, "dumb") != 0;
}

static int width_of_terminal(void) {
  struct winsize w;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1) return w.ws_col;
  const char *told = getenv("COLUMNS");
  int columns = told ? atoi(told) : 0;
  return columns > 1 && columns < 1000 ? columns : 80;
}

static struct {
  char what[32];
  double begun, shown; // when this work was first and last shown
  bool ended;          // its end was shown
  bool open;           // a rewritten line waits for its line feed
} now;

void tt_progress_show(const tt_progress *progress) {
  double time = tt_now();
  bool end = progress->done >= progress->total,
       fresh = strncmp(now.what, progress->what, sizeof now.what - 1) != 0;
  if (fresh || (now.ended && !end)) {
    tt_progress_clear();
    snprintf(now.what, sizeof now.what, "%s", progress->what);
    now.begun = time, now.shown = -1e9, now.ended = false;
  }
  bool rewrite = rewrites();
  if (now.ended || (!end && time - now.shown < (rewrite ? 0.1 : 10))) return;
  now.shown = time, now.ended = end;
  char line[1024];
  // a line that fills the last column would wrap on some terminals
  int width = rewrite ? width_of_terminal() - 1 : (int)sizeof line;
  tt_progress_format(progress, time - now.begun, width, locale_is_utf8(), line, sizeof line);
  fprintf(stderr, rewrite ? "\r%s\033[K" : "%s\n", line);
  now.open = rewrite;
  if (end) tt_progress_clear();
  fflush(stderr);
}

void tt_progress_clear(void) {
  if (now.open) fputc('\n', stderr), fflush(stderr);
  now.open = false;
}
