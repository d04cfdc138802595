// A look at the text before libconfig reads it, for what libconfig 1.5 accepts in silence: it cuts integers
// to 32 bits, takes an unterminated comment for the end of the file, stops at a zero byte and opens files for
// @include.
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"

typedef struct {
  const char *path, *p; // p: the next character
  int line;
} scanner;

static tt_status skip_comment(scanner *s) {
  int first = s->line;
  for (s->p += 2; *s->p; s->p++) {
    if (*s->p == '\n') s->line++;
    if (s->p[0] == '*' && s->p[1] == '/') return s->p += 2, TT_OK;
  }
  return tt_fail(TT_ERR_CONFIG, "%s:%d: this comment has no end: close it with */", s->path, first);
}

static tt_status skip_string(scanner *s) {
  int first = s->line;
  for (s->p++; *s->p; s->p++) {
    if (*s->p == '"') return s->p++, TT_OK;
    if (*s->p == '\\' && s->p[1]) s->p++;
    if (*s->p == '\n') s->line++;
  }
  return tt_fail(TT_ERR_CONFIG, "%s:%d: this string has no end: close it with \"", s->path, first);
}

static tt_status skip_number(scanner *s) {
  const char *first = s->p;
  bool hexadecimal = first[0] == '0' && (first[1] == 'x' || first[1] == 'X');
  while (isalnum((unsigned char)*s->p) || *s->p == '.') {
    char c = *s->p++;
    if (!hexadecimal && (c == 'e' || c == 'E') && (*s->p == '-' || *s->p == '+')) s->p++;
  }
  char *end;
  errno = 0;
  long long value = strtoll(first, &end, hexadecimal ? 16 : 10);
  bool too_large = errno == ERANGE, is_long = *end == 'L';
  while (end < s->p && *end == 'L') end++;
  if (end != s->p) return TT_OK; // a real, or not a number: libconfig's to judge
  int length = (int)(s->p - first < 40 ? s->p - first : 40);
  if (too_large)
    return tt_fail(TT_ERR_CONFIG, "%s:%d: the integer %.*s is too large", s->path, s->line, length, first);
  if (!is_long && value > INT32_MAX)
    return tt_fail(TT_ERR_CONFIG, "%s:%d: the integer %.*s has more than 32 bits: write %.*sL", s->path,
                   s->line, length, first, length, first);
  return TT_OK;
}

tt_status tt_config_scan(const char *path, const char *text, size_t bytes) {
  scanner s = {path, text, 1};
  while (*s.p) {
    unsigned char c = (unsigned char)*s.p;
    if (c == '#' || (c == '/' && s.p[1] == '/'))
      s.p += strcspn(s.p, "\n");
    else if (c == '/' && s.p[1] == '*')
      TT_TRY(skip_comment(&s));
    else if (c == '"')
      TT_TRY(skip_string(&s));
    else if (isdigit(c))
      TT_TRY(skip_number(&s));
    else if (isalpha(c) || c == '_' || c == '*') // a name; it may hold digits
      while (isalnum((unsigned char)*s.p) || strchr("_*-", *s.p ? *s.p : ' ')) s.p++;
    else if (strncmp(s.p, "@include", 8) == 0)
      return tt_fail(TT_ERR_CONFIG,
                     "%s:%d: @include is not supported: a run has one file, and --set for what varies", path,
                     s.line);
    else {
      if (c == '\n') s.line++;
      s.p++;
    }
  }
  if ((size_t)(s.p - text) != bytes)
    return tt_fail(TT_ERR_CONFIG, "%s:%d: a zero byte: this is no configuration text", path, s.line);
  return TT_OK;
}
