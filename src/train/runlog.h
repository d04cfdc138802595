// RUN/run.jsonl: one JSON record a line (docs/formats.md). Written by rank 0, record by record.
#ifndef TT_TRAIN_RUNLOG_H
#define TT_TRAIN_RUNLOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct tt_runlog tt_runlog;

// Starts RUN/run.jsonl with the header record (type "run"), whose reference it takes. TT_ERR_IO, also when
// the file exists already.
tt_status tt_runlog_create(tt_runlog **log, const char *run, json_t *header);

// Opens an existing log to go on after `step`: records whose "step" is past it, and lines that a kill or a
// power loss damaged after it, are removed by rewrite and rename. TT_ERR_FORMAT when the log is not one of
// ours or has no step or stop record of `step` or later (a step that has a checkpoint must be logged, so that
// no update is missing after a crash), TT_ERR_IO.
tt_status tt_runlog_resume(tt_runlog **log, const char *run, int64_t step);

// The step of the last validation that the log held when it was opened to go on; -1: none.
int64_t tt_runlog_validated(const tt_runlog *log);

// Appends one record as one line, numbers with 17 significant digits, and hands it to the operating system.
// Takes the reference to `record` (NULL, as json_pack returns for what it cannot make: TT_ERR_ARGUMENT).
// TT_ERR_IO (disk full...): the log then ends with the record before.
tt_status tt_runlog_append(tt_runlog *log, json_t *record);

// For a run that goes back to `step`: takes back the records past it, as tt_runlog_resume does, but for those
// of type "rollback", for the run remembers what they tell.
tt_status tt_runlog_rewind(tt_runlog *log, int64_t step);

// Waits until the records are on the disk: call it before a checkpoint is written. TT_ERR_IO.
tt_status tt_runlog_sync(tt_runlog *log);

void tt_runlog_close(tt_runlog *log); // NULL is fine

// Reads all complete records of a log file as a JSON array (a torn last line is left out). TT_ERR_IO;
// TT_ERR_FORMAT with the line's number for one that is no record, or when the first is not of type "run".
tt_status tt_runlog_read(const char *path, json_t **records);

// The same one by one, for logs of any length: calls `take` with each complete record and the text of its
// line (without line feed), in the order of the file, until it fails. Also returns what `take` does.
typedef tt_status tt_runlog_take(void *user, json_t *record, const char *line, size_t length);
tt_status tt_runlog_each(const char *path, tt_runlog_take *take, void *user);

// The step of the last checkpoint that a log tells of; 0: of none. Damaged lines are passed over. TT_ERR_IO,
// TT_ERR_FORMAT (no log).
tt_status tt_runlog_saved(const char *path, int64_t *step);

// Whether it is a record of this type; of any type: NULL.
bool tt_runlog_is(const json_t *record, const char *type);

// A number for a record; JSON has no infinities and no NaN: null stands for those.
json_t *tt_runlog_number(double value);

#endif
