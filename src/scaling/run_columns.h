// The columns of the table that `twotrack log export` writes and `twotrack fit --table` reads back: one list
// for both ways.
#ifndef TT_SCALING_RUN_COLUMNS_H
#define TT_SCALING_RUN_COLUMNS_H

#include "scaling/run_table.h"

typedef enum {
  TT_COLUMN_KIND,    // bool of the record: "valid" or "train"
  TT_COLUMN_NAME,    // char [size]
  TT_COLUMN_TEXT,    // char *
  TT_COLUMN_INTEGER, // int64_t; never empty
  TT_COLUMN_REAL,    // double; empty for NaN
} tt_column_type;

typedef struct {
  const char *name;
  tt_column_type type;
  bool of_record; // a field of tt_run_record, else of tt_run
  size_t offset, size;
} tt_run_column;

enum { TT_RUN_COLUMNS = 45 };
extern const tt_run_column tt_run_columns[TT_RUN_COLUMNS];

#endif
