// An error kept for later, or carried to another thread: tt_fail leaves its message in the thread that fails.
#ifndef TT_CORE_ERROR_H
#define TT_CORE_ERROR_H

#include <stdio.h>

#include "core/status.h"

typedef struct {
  tt_status status;
  char message[2048];
} tt_error;

// Keeps `status` and, if it is a failure, this thread's message.
static inline void tt_error_keep(tt_error *error, tt_status status) {
  error->status = status;
  if (status != TT_OK) snprintf(error->message, sizeof error->message, "%s", tt_error_message());
}

// Fails again, in this thread, with what was kept; TT_OK if that was no failure.
static inline tt_status tt_error_again(const tt_error *error) {
  return error->status == TT_OK ? TT_OK : tt_fail(error->status, "%s", error->message);
}

#endif
