// The settings of a run, sorted by what they mean for whoever compares it with others.
#ifndef TT_SCALING_RUN_SETTINGS_H
#define TT_SCALING_RUN_SETTINGS_H

#include "scaling/run_table.h"

// Fills what `configured` stands for. TT_ERR_FORMAT without a configuration, TT_ERR_CONFIG for one that this
// program does not know, with its line; both name run->log.
tt_status tt_run_configure(tt_run *run);

// A difference between two texts "key=value; key=value" (tt_run.evaluation, .training).
typedef struct {
  char key[64], a[96], b[96]; // a, b: the values; "(nothing)" where a text lacks the key
} tt_setting_difference;

// Writes up to `room` differences, in the order of the keys, and returns how many it wrote.
int tt_settings_compare(const char *a, const char *b, tt_setting_difference *differences, int room);

#endif
