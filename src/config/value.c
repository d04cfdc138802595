// One value: from text, into its field, and back to text.
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"

// Numbers are read and written with a decimal point, whatever the user's locale.
static locale_t plain_numbers(void) {
  return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}
static void locale_back(locale_t before) {
  freelocale(uselocale(before));
}

// The shortest decimal that reads back to the same double.
static void format_real(char *text, size_t size, double value) {
  locale_t before = plain_numbers();
  if (fabs(value) < 1e15 && value == trunc(value))
    snprintf(text, size, "%.0f", value); // 1000, not 1e+03
  else
    for (int digits = 1; digits <= 17; digits++) {
      snprintf(text, size, "%.*g", digits, value);
      if (strtod(text, NULL) == value) break;
    }
  locale_back(before);
}

void tt_config_quote(char *shown, size_t size, const char *text) {
  size_t n = (size_t)snprintf(shown, size, "\"%.40s%s\"", text, strlen(text) > 40 ? "..." : "");
  for (size_t i = 0; i < n && i < size; i++)
    if ((unsigned char)shown[i] < ' ' || shown[i] == 127) shown[i] = '?';
}

static void describe(char *shown, size_t size, tt_config_value value) {
  char number[40];
  switch (value.kind) {
  case TT_VALUE_INTEGER:
    snprintf(shown, size, "the integer %lld", (long long)value.integer);
    break;
  case TT_VALUE_REAL:
    format_real(number, sizeof number, value.real);
    snprintf(shown, size, "the real number %s", number);
    break;
  case TT_VALUE_TEXT:
    tt_config_quote(shown, size, value.text);
    break;
  case TT_VALUE_BOOL:
    snprintf(shown, size, "%s", value.integer ? "true" : "false");
    break;
  case TT_VALUE_OTHER:
    snprintf(shown, size, "%s", value.text);
    break;
  }
}

tt_config_value tt_config_parse(const tt_config_key *key, const char *text) {
  tt_config_value value = {.kind = TT_VALUE_TEXT, .text = text};
  if (key->type == TT_KEY_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
    return (tt_config_value){.kind = TT_VALUE_BOOL, .integer = strcmp(text, "true") == 0};
  if (key->type != TT_KEY_INT && key->type != TT_KEY_INT64 && key->type != TT_KEY_REAL) return value;
  char *end;
  errno = 0;
  long long integer = strtoll(text, &end, 10);
  if (end != text && *end == 'L') end++; // as in a file
  if (end != text && !*end && errno == 0) {
    value.kind = TT_VALUE_INTEGER, value.integer = integer;
    return value;
  }
  locale_t before = plain_numbers();
  double real = strtod(text, &end);
  locale_back(before);
  if (end != text && !*end) value.kind = TT_VALUE_REAL, value.real = real;
  return value;
}

static tt_status wrong_type(const tt_config_key *key, tt_config_value value, const char *where) {
  static const char *const wanted[] = {"a string",   "a string",   "a string",
                                       "an integer", "an integer", "a number"};
  char shown[96];
  describe(shown, sizeof shown, value);
  return tt_fail(TT_ERR_CONFIG, "%s: %s.%s must be %s, not %s (%s)", where, key->group, key->name,
                 wanted[key->type], shown, key->help);
}

static tt_status out_of_range(const tt_config_key *key, tt_config_value value, const char *where) {
  char shown[40], low[40], high[40], upper[64] = "";
  if (value.kind == TT_VALUE_INTEGER)
    snprintf(shown, sizeof shown, "%lld", (long long)value.integer);
  else
    format_real(shown, sizeof shown, value.real);
  snprintf(low, sizeof low, "%s %.15g", key->open_minimum ? "above" : "at least", key->minimum);
  snprintf(high, sizeof high, "%.15g", key->maximum);
  if (isfinite(key->maximum))
    snprintf(upper, sizeof upper, " and %s %s", key->open_maximum ? "below" : "at most", high);
  return tt_fail(TT_ERR_CONFIG, "%s: %s.%s = %s is out of range: it must be %s%s (%s)", where, key->group,
                 key->name, shown, low, upper, key->help);
}

static bool in_range(const tt_config_key *key, double value) {
  bool above = key->open_minimum ? value > key->minimum : value >= key->minimum;
  bool below = key->open_maximum ? value < key->maximum : value <= key->maximum;
  return isfinite(value) && above && below;
}

static tt_status set_choice(void *field, const tt_config_key *key, const char *text, const char *where) {
  char valid[128] = "", shown[64];
  for (int i = 0; key->choices[i]; i++) {
    if (strcmp(key->choices[i], text) == 0) return memcpy(field, &i, sizeof i), TT_OK;
    size_t used = strlen(valid);
    snprintf(valid + used, sizeof valid - used, "%s\"%s\"", i ? ", " : "", key->choices[i]);
  }
  tt_config_quote(shown, sizeof shown, text);
  return tt_fail(TT_ERR_CONFIG, "%s: %s.%s = %s is none of %s; the nearest is \"%s\" (%s)", where, key->group,
                 key->name, shown, valid, tt_config_nearest_word(text, key->choices), key->help);
}

static tt_status set_text(char **field, const char *text, const char *where) {
  char *copy = strdup(text);
  if (!copy) return tt_fail(TT_ERR_MEMORY, "%s: out of memory", where);
  free(*field);
  *field = copy;
  return TT_OK;
}

static tt_status set_preset(char *field, const tt_config_key *key, const char *text, const char *where) {
  tt_model_config known = {0};
  if (*text && tt_model_preset(&known, text) != TT_OK)
    return tt_fail_in(TT_ERR_CONFIG, "%s: %s.%s", where, key->group, key->name);
  memcpy(field, known.preset, sizeof known.preset);
  return TT_OK;
}

tt_status tt_config_set(tt_config *config, const tt_config_key *key, tt_config_value value,
                        const char *where) {
  void *field = (char *)config + key->offset;
  bool is_integer = value.kind == TT_VALUE_INTEGER, is_text = value.kind == TT_VALUE_TEXT;
  double real = is_integer ? (double)value.integer : value.real;
  switch (key->type) {
  case TT_KEY_TEXT:
    return is_text ? set_text(field, value.text, where) : wrong_type(key, value, where);
  case TT_KEY_PRESET:
    return is_text ? set_preset(field, key, value.text, where) : wrong_type(key, value, where);
  case TT_KEY_CHOICE:
    return is_text ? set_choice(field, key, value.text, where) : wrong_type(key, value, where);
  case TT_KEY_INT:
  case TT_KEY_INT64:
    if (!is_integer) return wrong_type(key, value, where);
    if (!in_range(key, real)) return out_of_range(key, value, where);
    if (key->type == TT_KEY_INT)
      memcpy(field, &(int){(int)value.integer}, sizeof(int));
    else
      memcpy(field, &value.integer, sizeof value.integer);
    return TT_OK;
  case TT_KEY_REAL:
    if (!is_integer && value.kind != TT_VALUE_REAL) return wrong_type(key, value, where);
    if (!in_range(key, real)) return out_of_range(key, value, where);
    memcpy(field, &real, sizeof real);
    return TT_OK;
  case TT_KEY_BOOL:
    if (value.kind != TT_VALUE_BOOL) return wrong_type(key, value, where);
    memcpy(field, &(bool){value.integer != 0}, sizeof(bool));
    return TT_OK;
  }
  return TT_OK;
}

// A libconfig string literal; every byte that is not plain ASCII text is escaped, so that no path breaks the
// file.
static char *format_text(const char *text) {
  char *literal = malloc(4 * strlen(text) + 3), *p = literal;
  if (!literal) return NULL;
  *p++ = '"';
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\')
      *p++ = '\\', *p++ = (char)c;
    else if (c < ' ' || c == 127)
      p += sprintf(p, "\\x%02x", c);
    else
      *p++ = (char)c;
  }
  *p++ = '"', *p = 0;
  return literal;
}

char *tt_config_format(const tt_config *config, const tt_config_key *key) {
  const void *field = (const char *)config + key->offset;
  char number[48];
  int small;
  int64_t large;
  double real;
  char *text;
  switch (key->type) {
  case TT_KEY_TEXT:
    return memcpy(&text, field, sizeof text), format_text(text ? text : "");
  case TT_KEY_PRESET:
    return format_text(field);
  case TT_KEY_CHOICE:
    return memcpy(&small, field, sizeof small), format_text(key->choices[small]);
  case TT_KEY_INT:
    memcpy(&small, field, sizeof small), snprintf(number, sizeof number, "%d", small);
    break;
  case TT_KEY_INT64:
    memcpy(&large, field, sizeof large);
    // without the L libconfig would keep the low 32 bits
    snprintf(number, sizeof number, "%lld%s", (long long)large, large > INT32_MAX ? "L" : "");
    break;
  case TT_KEY_REAL:
    memcpy(&real, field, sizeof real);
    format_real(number, sizeof number - 2, real);
    if (!strpbrk(number, ".e")) strcat(number, ".0");
    break;
  case TT_KEY_BOOL:
    snprintf(number, sizeof number, "%s", *(const bool *)field ? "true" : "false");
    break;
  }
  return strdup(number);
}
