#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[2048];

tt_status tt_fail(tt_status code, const char *format, ...) {
  char text[sizeof message]; // the arguments may point into `message`
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  memcpy(message, text, sizeof text);
  return code;
}

tt_status tt_fail_in(tt_status code, const char *format, ...) {
  char context[512];
  va_list args;
  va_start(args, format);
  vsnprintf(context, sizeof context, format, args);
  va_end(args);
  char text[sizeof message];
  snprintf(text, sizeof text, "%.500s: %.1500s", context, message);
  memcpy(message, text, sizeof text);
  return code;
}

const char *tt_error_message(void) {
  return message;
}
