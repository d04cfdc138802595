#include "scaling/csv.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/file.h"
#include "core/memory.h"

typedef struct {
  tt_csv *csv;
  char *at, *end; // what is left of the text; *end is 0
  char separator;
  int line;
  size_t cells, capacity, lines; // of csv->cells, csv->line
} reader;

// The first line says how fields are parted. Commas win: a name may hold a semicolon.
static char find_separator(const char *header) {
  size_t length = strcspn(header, "\r\n");
  if (memchr(header, ',', length)) return ',';
  if (memchr(header, '\t', length)) return '\t';
  return memchr(header, ';', length) ? ';' : ',';
}

// Quotes go, doubled ones become one; the field shrinks in place.
static tt_status read_quoted(reader *r, char **field) {
  char *to = ++r->at;
  int first = r->line;
  *field = to;
  for (;; r->at++) {
    if (r->at >= r->end)
      return tt_fail(TT_ERR_FORMAT, "%s, line %d: this quote is never closed", r->csv->file, first);
    if (*r->at == '"') {
      if (r->at[1] != '"') break;
      r->at++;
    }
    r->line += *r->at == '\n';
    *to++ = *r->at;
  }
  r->at++;
  r->at += strspn(r->at, r->separator == '\t' ? " " : " \t");
  bool last = r->at >= r->end || *r->at == '\n' || (*r->at == '\r' && r->at[1] == '\n');
  if (!last && *r->at != r->separator)
    return tt_fail(TT_ERR_FORMAT, "%s, line %d: text behind a closing quote; a quote in a field is doubled",
                   r->csv->file, r->line);
  *to = 0; // at the closing quote or before it
  return TT_OK;
}

static char *read_bare(reader *r) {
  char *field = r->at, stops[] = {r->separator, '\n', 0};
  r->at += strcspn(r->at, stops);
  return field;
}

// Blanks around a bare field, and the CR of a CRLF, are none of it.
static void trim(char *field, char *behind) {
  while (behind > field && (behind[-1] == ' ' || behind[-1] == '\t' || behind[-1] == '\r')) behind--;
  *behind = 0;
}

static tt_status keep_cell(reader *r, char *field) {
  TT_TRY(tt_reserve(&r->csv->cells, &r->capacity, r->cells + 1, sizeof *r->csv->cells, "a table"));
  r->csv->cells[r->cells++] = field;
  return TT_OK;
}

// One row; its end (a line feed or the end of the text) is consumed.
static tt_status read_row(reader *r) {
  for (bool more = true; more;) {
    char *field, *behind = NULL;
    while (*r->at == ' ' || (*r->at == '\t' && r->separator != '\t')) r->at++;
    if (*r->at == '"')
      TT_TRY(read_quoted(r, &field));
    else
      field = read_bare(r), behind = r->at;
    char stop = *r->at;
    if (stop == '\r') stop = '\n', r->at++; // behind a quoted field
    more = stop == r->separator;
    r->line += stop == '\n';
    r->at += stop != 0;
    if (behind) trim(field, behind);
    TT_TRY(keep_cell(r, field));
  }
  return TT_OK;
}

// Lines without a field, and comments.
static void skip_lines(reader *r) {
  while (r->at < r->end) {
    size_t blanks = strspn(r->at, " \t\r");
    if (*r->at != '#' && r->at[blanks] != '\n' && r->at[blanks]) return;
    r->at += strcspn(r->at, "\n");
    if (*r->at) r->at++, r->line++;
  }
}

static tt_status read_rows(reader *r) {
  tt_csv *csv = r->csv;
  size_t lines = 0;
  for (skip_lines(r); r->at < r->end; skip_lines(r)) {
    size_t before = r->cells;
    int first = r->line;
    if (!csv->columns) r->separator = find_separator(r->at), csv->header_line = first;
    TT_TRY(read_row(r));
    size_t fields = r->cells - before;
    if (fields > 100000) return tt_fail(TT_ERR_FORMAT, "%s, line %d: %zu columns", csv->file, first, fields);
    if (!csv->columns) {
      csv->columns = (int)fields, csv->header = csv->cells;
      csv->cells = NULL, r->cells = r->capacity = 0;
      continue;
    }
    if (fields != (size_t)csv->columns)
      return tt_fail(TT_ERR_FORMAT, "%s, line %d: %zu fields, but line %d names %d columns", csv->file, first,
                     fields, csv->header_line, csv->columns);
    TT_TRY(tt_reserve(&csv->line, &lines, csv->rows + 1, sizeof *csv->line, "a table"));
    csv->line[csv->rows++] = first;
  }
  if (csv->columns) return TT_OK;
  return tt_fail(TT_ERR_FORMAT, "%s is empty: its first line must name the columns", csv->file);
}

tt_status tt_csv_read(tt_csv *csv, const char *file) {
  *csv = (tt_csv){0};
  snprintf(csv->file, sizeof csv->file, "%s", file);
  if (!*file) return tt_fail(TT_ERR_ARGUMENT, "the name of the table is empty");
  size_t bytes;
  TT_TRY(tt_file_read(file, &csv->text, &bytes));
  tt_status status = TT_OK;
  reader r = {.csv = csv, .at = csv->text, .end = csv->text + bytes, .line = 1};
  csv->plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
  if (!csv->plain) status = tt_fail(TT_ERR_MEMORY, "out of memory for %s", file);
  const char *zero = memchr(csv->text, 0, bytes);
  if (status == TT_OK && zero)
    status = tt_fail(TT_ERR_FORMAT, "%s has a zero byte (at %zu): save it as UTF-8 text", csv->file,
                     (size_t)(zero - csv->text));
  if (status == TT_OK && memchr(csv->text, '\r', bytes) && !memchr(csv->text, '\n', bytes))
    status = tt_fail(TT_ERR_FORMAT, "%s ends its lines with carriage returns alone: save it with line feeds",
                     csv->file);
  if (strncmp(r.at, "\xef\xbb\xbf", 3) == 0) r.at += 3; // a byte order mark, as spreadsheets write it
  if (status == TT_OK) status = read_rows(&r);
  if (status != TT_OK) tt_csv_free(csv);
  return status;
}

void tt_csv_free(tt_csv *csv) {
  if (csv->plain) freelocale(csv->plain);
  free(csv->header), free(csv->cells), free(csv->line);
  free(csv->text);
  *csv = (tt_csv){0};
}

tt_status tt_csv_column(const tt_csv *csv, const char *name, int *column) {
  *column = -1;
  for (int i = 0; i < csv->columns; i++) {
    if (strcmp(csv->header[i], name) != 0) continue;
    if (*column >= 0)
      return tt_fail(TT_ERR_FORMAT, "%s, line %d: two columns are called '%.60s'", csv->file,
                     csv->header_line, name);
    *column = i;
  }
  return TT_OK;
}

static tt_status wrong(const tt_csv *csv, size_t row, int column, const char *what) {
  return tt_fail(TT_ERR_FORMAT, "%s, line %d, column '%.60s': '%.60s' is %s", csv->file, csv->line[row],
                 csv->header[column], tt_csv_cell(csv, row, column), what);
}

tt_status tt_csv_real(const tt_csv *csv, size_t row, int column, double *value) {
  const char *text = tt_csv_cell(csv, row, column);
  *value = NAN;
  if (!*text || strcasecmp(text, "nan") == 0 || strcmp(text, "NA") == 0) return TT_OK;
  char *end;
  double number = strtod_l(text, &end, csv->plain);
  // strtod also takes blanks in front, hexadecimal digits and words
  if (end == text || *end || text[strspn(text, "0123456789+-.eE")])
    return wrong(csv, row, column,
                 strchr(text, ',') ? "no number: write a decimal point, and no thousands" : "no number");
  if (!isfinite(number)) return wrong(csv, row, column, "too large a number");
  *value = number;
  return TT_OK;
}

tt_status tt_csv_integer(const tt_csv *csv, size_t row, int column, int64_t *value) {
  const char *text = tt_csv_cell(csv, row, column);
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  if (!*text || *end || errno || text[strspn(text, "0123456789-")])
    return wrong(csv, row, column, "no whole number");
  *value = number;
  return TT_OK;
}
