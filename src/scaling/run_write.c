// A table of runs as CSV.
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "scaling/run_columns.h"

// Fewest digits that read back to the same bits: 0.002 rather than 0.0020000000000000001.
static void write_number(FILE *out, double value) {
  char text[40];
  if (isnan(value)) return;
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  fputs(text, out);
}

// In quotes where it must be. A line that starts with # would be a comment; blanks at the ends of a bare
// field are none of it.
static void write_text(FILE *out, const char *text) {
  size_t length = text ? strlen(text) : 0;
  if (!length) return;
  bool blank = text[0] == ' ' || text[length - 1] == ' ';
  if (!blank && !strpbrk(text, ",;\t\"\r\n#")) {
    fputs(text, out);
    return;
  }
  fputc('"', out);
  for (; *text; text++) {
    if (*text == '"') fputc('"', out);
    fputc(*text, out);
  }
  fputc('"', out);
}

static void write_cell(FILE *out, const tt_run_column *column, const tt_run *run, const tt_run_record *r) {
  const char *field = (column->of_record ? (const char *)r : (const char *)run) + column->offset;
  switch (column->type) {
  case TT_COLUMN_KIND:
    fputs(*(const bool *)field ? "valid" : "train", out);
    break;
  case TT_COLUMN_NAME:
    write_text(out, field);
    break;
  case TT_COLUMN_TEXT:
    write_text(out, *(char *const *)field);
    break;
  case TT_COLUMN_INTEGER:
    fprintf(out, "%lld", (long long)*(const int64_t *)field);
    break;
  case TT_COLUMN_REAL:
    write_number(out, *(const double *)field);
  }
}

static void write_rows(FILE *out, const tt_run_table *table) {
  for (int k = 0; k < TT_RUN_COLUMNS; k++) fprintf(out, "%s%s", k ? "," : "", tt_run_columns[k].name);
  fputc('\n', out);
  for (int i = 0; i < table->count; i++)
    for (size_t j = 0; j < table->runs[i].count; j++)
      for (int k = 0; k < TT_RUN_COLUMNS; k++) {
        write_cell(out, &tt_run_columns[k], &table->runs[i], &table->runs[i].records[j]);
        fputc(k + 1 < TT_RUN_COLUMNS ? ',' : '\n', out);
      }
}

tt_status tt_run_table_write(const tt_run_table *table, const char *file) {
  char *text = NULL, target[PATH_MAX];
  size_t bytes;
  TT_TRY(tt_file_target(file, target, sizeof target));
  locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
  FILE *out = plain ? open_memstream(&text, &bytes) : NULL;
  if (out) {
    locale_t before = uselocale(plain); // a point is a point, whatever the locale
    write_rows(out, table);
    uselocale(before);
  }
  if (plain) freelocale(plain);
  if (!out || fclose(out) != 0) return free(text), tt_fail(TT_ERR_MEMORY, "out of memory for %s", file);
  tt_status status = tt_file_replace(target, text, bytes);
  free(text);
  return status;
}
