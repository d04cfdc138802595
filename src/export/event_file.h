// An event file, as TensorBoard reads it: records of (length, masked CRC of it, data, masked CRC of it), each
// the protocol-buffers message tensorboard.Event. What the fields are: docs/formats.md.
#ifndef TT_EXPORT_EVENT_FILE_H
#define TT_EXPORT_EVENT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct tt_event_file tt_event_file;

typedef struct {
  const char *tag;         // TensorBoard puts those with the same text before "/" side by side
  double value;            // written as a 32-bit float, infinite beyond them
  const char *description; // said the first time a tag is used; NULL otherwise
} tt_event_scalar;

typedef struct {
  const char *name;
  const char *text; // NULL: a number
  double number;
} tt_event_hparam;

// Begins a file that is to become `path`, under a temporary name without "tfevents", so that a TensorBoard
// which watches the folder does not read it twice. `wall_time` in seconds since 1970. TT_ERR_IO,
// TT_ERR_MEMORY.
tt_status tt_event_file_create(tt_event_file **file, const char *path, double wall_time);

// One event with all these values.
tt_status tt_event_file_scalars(tt_event_file *file, double wall_time, int64_t step,
                                const tt_event_scalar *scalars, int count);

// What the run was made with, for TensorBoard's table of hyperparameters; texts are UTF-8. Once a file.
tt_status tt_event_file_hparams(tt_event_file *file, double wall_time, const tt_event_hparam *hparams,
                                int count);

// Gives the file its name, replacing one that is there, or removes it (`keep` false); frees `file` (NULL is
// fine) in either case. TT_ERR_IO: the disk is full ...
tt_status tt_event_file_close(tt_event_file *file, bool keep);

#endif
