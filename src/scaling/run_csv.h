// Runs from the table that tt_run_table_write made.
#ifndef TT_SCALING_RUN_CSV_H
#define TT_SCALING_RUN_CSV_H

#include "scaling/csv.h"
#include "scaling/run_table.h"

// Whether a table is such a one: it has the columns run, kind, step and evaluation.
bool tt_csv_has_runs(const tt_csv *csv);

// The rows of a run may stand anywhere; their order is kept. TT_ERR_FORMAT naming file, line and column: a
// column is missing, a number cannot be read, or rows of one name differ in a fact of their run.
tt_status tt_run_table_from_csv(tt_run_table *table, const tt_csv *csv);

#endif
