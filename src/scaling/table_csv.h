// Observations from a CSV file: the one that `twotrack log export` wrote, or anybody's table.
//
// Grammar: RFC 4180 (fields in quotes may hold commas, line feeds and doubled quotes), lines ended by LF or
// CRLF, an optional byte order mark; empty lines and lines that start with # are left out. The first line
// names the columns. Fields are parted by commas, or, where the first line has none, by tabs or semicolons.
// Numbers are written as in C, whatever the locale; an empty field, nan or NA is a number that is not known.
#ifndef TT_SCALING_TABLE_CSV_H
#define TT_SCALING_TABLE_CSV_H

#include "scaling/choose.h"

// Our own table gives what its runs give (tt_observe_runs). Of another one each row counts: where it has no
// samples but flops, D = C / (6 N), which `chosen` says. Rows without a size or loss, or at the start of
// training (samples, steps or flops of 0) are left out, with a caution.
// TT_ERR_IO; TT_ERR_FORMAT naming file, line and column; TT_ERR_ARGUMENT for a column that is not there;
// those of tt_observe_runs. Release with tt_observations_free; empty after a failure.
tt_status tt_observe_table(const char *file, const tt_choice *choice, tt_observations *observations);

#endif
