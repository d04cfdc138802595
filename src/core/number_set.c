#include "core/number_set.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static const int64_t LARGEST = 1000000000000; // as many updates as a run may have

void tt_number_set_free(tt_number_set *set) {
  free(set->values);
  *set = (tt_number_set){0};
}

size_t tt_number_set_below(const tt_number_set *set, int64_t value) {
  size_t low = 0, high = set->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (set->values[middle] < value)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

bool tt_number_set_has(const tt_number_set *set, int64_t value) {
  size_t k = tt_number_set_below(set, value);
  return k < set->count && set->values[k] == value;
}

tt_status tt_number_set_add(tt_number_set *set, int64_t value) {
  size_t k = tt_number_set_below(set, value);
  if (k < set->count && set->values[k] == value) return TT_OK;
  TT_TRY(tt_reserve(&set->values, &set->room_, set->count + 1, sizeof *set->values, "a set of numbers"));
  memmove(&set->values[k + 1], &set->values[k], (set->count - k) * sizeof *set->values);
  set->values[k] = value;
  set->count++;
  return TT_OK;
}

tt_status tt_number_set_copy(tt_number_set *to, const tt_number_set *from) {
  TT_TRY(tt_reserve(&to->values, &to->room_, from->count, sizeof *to->values, "a set of numbers"));
  if (from->count) memcpy(to->values, from->values, from->count * sizeof *to->values);
  to->count = from->count;
  return TT_OK;
}

// values[k] - k numbers are missing below values[k], so these differences never fall.
int64_t tt_number_set_missing(const tt_number_set *set, int64_t n) {
  size_t low = 0, high = set->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (set->values[middle] - (int64_t)middle <= n)
      low = middle + 1;
    else
      high = middle;
  }
  return n + (int64_t)low;
}

// ---- texts ----

static tt_status not_a_list(const char *text) {
  return tt_fail(TT_ERR_ARGUMENT, "'%.60s' is no list of numbers from 0 to %lld and ranges of them", text,
                 (long long)LARGEST);
}

static bool read_number(const char **text, int64_t *value) {
  char *end;
  if (!isdigit((unsigned char)**text)) return false;
  errno = 0;
  *value = strtoll(*text, &end, 10);
  *text = end;
  return errno == 0 && *value <= LARGEST;
}

static int compare(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

// In order, each once: one by one they would be moved again and again where ranges do not ascend.
static void sort(tt_number_set *set) {
  size_t kept = 0;
  if (set->count) qsort(set->values, set->count, sizeof *set->values, compare);
  for (size_t k = 0; k < set->count; k++)
    if (kept == 0 || set->values[k] != set->values[kept - 1]) set->values[kept++] = set->values[k];
  set->count = kept;
}

static tt_status append(tt_number_set *set, const char *text) {
  for (const char *at = text + strspn(text, ", "); *at; at += strspn(at, ", ")) {
    int64_t first, last;
    const char *item = at;
    if (!read_number(&at, &first)) return not_a_list(item);
    last = first;
    if (*at == '-') {
      at++;
      if (!read_number(&at, &last)) return not_a_list(item);
    }
    if (last < first || (*at && *at != ',' && *at != ' ')) return not_a_list(item);
    if (last - first >= TT_NUMBER_SET_MOST - (int64_t)set->count)
      return tt_fail(TT_ERR_ARGUMENT, "a list of more than %d numbers", TT_NUMBER_SET_MOST);
    size_t wanted = set->count + (size_t)(last - first) + 1;
    TT_TRY(tt_reserve(&set->values, &set->room_, wanted, sizeof *set->values, "a set of numbers"));
    for (int64_t value = first; value <= last; value++) set->values[set->count++] = value;
  }
  return TT_OK;
}

tt_status tt_number_set_parse(tt_number_set *set, const char *text) {
  tt_status status = append(set, text);
  sort(set);
  return status;
}

void tt_number_set_print(const tt_number_set *set, char *text, size_t size) {
  char item[64];
  size_t length = 0;
  *text = 0;
  for (size_t k = 0, last; k < set->count; k = last + 1) {
    for (last = k; last + 1 < set->count && set->values[last + 1] == set->values[last] + 1;) last++;
    const char *comma = k ? ", " : "";
    int n = last == k ? snprintf(item, sizeof item, "%s%lld", comma, (long long)set->values[k])
                      : snprintf(item, sizeof item, "%s%lld-%lld", comma, (long long)set->values[k],
                                 (long long)set->values[last]);
    if (length + (size_t)n + sizeof ", ..." > size) {
      snprintf(text + length, size - length, "%s...", comma);
      return;
    }
    memcpy(text + length, item, (size_t)n + 1);
    length += (size_t)n;
  }
}
