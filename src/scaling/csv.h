// The grammar of CSV files (table_csv.h says which), and their numbers.
#ifndef TT_SCALING_CSV_H
#define TT_SCALING_CSV_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
  char file[256]; // for messages
  char *text;     // what header and cells point into
  int columns;
  char **header; // [columns]
  int header_line;
  size_t rows;
  char **cells;   // [rows][columns]
  int *line;      // [rows] the line on which a row starts, from 1
  locale_t plain; // in which numbers are read
} tt_csv;

// TT_ERR_IO; TT_ERR_FORMAT naming file and line: a row of another length than the header, a quote that is not
// closed, letters behind one, a zero byte, no header. Release with tt_csv_free.
tt_status tt_csv_read(tt_csv *csv, const char *file);
void tt_csv_free(tt_csv *csv);

// The column with exactly this name; -1: none. TT_ERR_FORMAT when there are two.
tt_status tt_csv_column(const tt_csv *csv, const char *name, int *column);

static inline const char *tt_csv_cell(const tt_csv *csv, size_t row, int column) {
  return csv->cells[row * (size_t)csv->columns + (size_t)column];
}

// A cell as a number; NaN for an empty one, nan and NA. TT_ERR_FORMAT naming file, line and column for what
// is no finite number in C's decimal notation.
tt_status tt_csv_real(const tt_csv *csv, size_t row, int column, double *value);
tt_status tt_csv_integer(const tt_csv *csv, size_t row, int column, int64_t *value); // empty: an error, too

#endif
