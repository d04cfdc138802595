// Errors: every function that can fail returns a tt_status and leaves one message behind.
#ifndef TT_CORE_STATUS_H
#define TT_CORE_STATUS_H

typedef enum {
  TT_OK = 0,
  TT_ERR_ARGUMENT,    // a wrong command line or a wrong call
  TT_ERR_CONFIG,      // a configuration that cannot be used
  TT_ERR_IO,          // the operating system refused (no such file, disk full)
  TT_ERR_FORMAT,      // a file of another kind, version or shape
  TT_ERR_CORRUPT,     // a file whose checksum or structure is broken
  TT_ERR_DATA,        // molecules or numbers that cannot be used
  TT_ERR_MEMORY,      // out of memory
  TT_ERR_MPI,         // an MPI call failed or the ranks disagree
  TT_ERR_NUMERIC,     // a loss or gradient that is not finite
  TT_ERR_UNSUPPORTED, // not in this build
  TT_ERR_MACHINE,     // a processor or memory that computes something else now and then
  TT_STOPPED,         // no failure: the job was asked to stop, and all ranks know (train/stopping.h)
} tt_status;

// Records the message of a failure (printf style; one line: what was tried, on which file, key or record,
// and what to do) in this thread and returns `code`, so that `return tt_fail(...)` reads naturally.
tt_status tt_fail(tt_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Puts "context: " before the recorded message; returns `code` unchanged.
tt_status tt_fail_in(tt_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The message of this thread's last failure; "" if there was none. Valid until the next failure.
const char *tt_error_message(void);

#define TT_TRY(call)                                                                                         \
  do {                                                                                                       \
    tt_status tt_try_ = (call);                                                                              \
    if (tt_try_ != TT_OK) return tt_try_;                                                                    \
  } while (0)

// For functions that must clean up: sets `status` and jumps to `label`.
#define TT_TRY_GOTO(status, call, label)                                                                     \
  do {                                                                                                       \
    (status) = (call);                                                                                       \
    if ((status) != TT_OK) goto label;                                                                       \
  } while (0)

#endif
