// RUN/run.jsonl: one JSON record a line (docs/formats.md). Written by rank 0, flushed record by record.
#ifndef TT_TRAIN_RUNLOG_H
#define TT_TRAIN_RUNLOG_H

#include <jansson.h>
#include <stdint.h>

#include "core/status.h"

typedef struct tt_runlog tt_runlog;

// Starts RUN/run.jsonl with the header record (type "run"). TT_ERR_IO, also when the file exists already.
tt_status tt_runlog_create(tt_runlog **log, const char *run, json_t *header);

// Opens an existing log to go on after `step`: records of type step/valid past it, resume records past it and a torn last line
// are removed by rewrite and rename; TT_ERR_FORMAT when the log is not one of ours or does not reach `step`.
tt_status tt_runlog_resume(tt_runlog **log, const char *run, int64_t step);

// Appends one record as one line, numbers with 17 significant digits, and flushes it. Takes the reference to `record`.
tt_status tt_runlog_append(tt_runlog *log, json_t *record);

void tt_runlog_close(tt_runlog *log);

// Reads all complete records of a log file as a JSON array (a torn last line is left out). TT_ERR_IO, TT_ERR_FORMAT with line.
tt_status tt_runlog_read(const char *path, json_t **records);

#endif
