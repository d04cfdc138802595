// Files of one JSON object a line beside a run's log (starts.jsonl, failures.jsonl), which jobs that may be
// killed at any time add to. Who reads them leaves out what is no record.
#ifndef TT_TRAIN_JSON_LINES_H
#define TT_TRAIN_JSON_LINES_H

#include <jansson.h>

#include "core/status.h"

// Calls `take` for each line that holds an object, in the order of the file; for none where there is no file.
// TT_ERR_IO, TT_ERR_MEMORY.
tt_status tt_json_lines_each(const char *path, void (*take)(void *user, const json_t *record), void *user);

// Adds `record` (its reference is taken; NULL: there was no memory for it) in one write, as a line of its own
// also after a torn one, on the disk when this returns. A failure leaves the file as it was. TT_ERR_IO,
// TT_ERR_MEMORY.
tt_status tt_json_lines_append(const char *path, json_t *record);

#endif
