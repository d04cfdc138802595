// The records of the run log (docs/formats.md), made from the state of a run.
#ifndef TT_TRAIN_RECORDS_H
#define TT_TRAIN_RECORDS_H

#include <jansson.h>

#include "train/saver.h"
#include "train/trainer.h"

enum { TT_LOG_SCHEMA = 1 };

// New references; NULL when out of memory (tt_runlog_append turns that into an error).
json_t *tt_record_run(const tt_trainer *t, const char *config_text, const tt_store *store);
json_t *tt_record_resume(const tt_trainer *t);
// data_s: seconds that the updates since the last such record waited for molecules, the slowest rank's.
json_t *tt_record_step(const tt_trainer *t, const tt_update *update, double samples_per_s, double data_s);
json_t *tt_record_save(const tt_save_report *report);
// reason: of tt_stopping.
json_t *tt_record_stop(const tt_trainer *t, const char *reason);
json_t *tt_record_valid(const tt_trainer *t, const tt_losses *losses, const tt_losses *baseline);

#endif
