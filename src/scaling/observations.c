#include "scaling/observations.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tt_status tt_observations_caution(tt_observations *o, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  for (int i = 0; i < o->caution_count; i++)
    if (strcmp(o->cautions[i], text) == 0) return TT_OK;
  char *copy = strdup(text);
  char **more = copy ? realloc(o->cautions, ((size_t)o->caution_count + 1) * sizeof *more) : NULL;
  if (!more) {
    free(copy);
    return tt_fail(TT_ERR_MEMORY, "out of memory for a caution");
  }
  o->cautions = more;
  o->cautions[o->caution_count++] = copy;
  return TT_OK;
}

void tt_observations_free(tt_observations *o) {
  for (int i = 0; i < o->caution_count; i++) free(o->cautions[i]);
  free(o->cautions);
  free(o->rows);
  free(o->group_names);
  *o = (tt_observations){0};
}
