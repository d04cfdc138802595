#include "input/xyz.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chem/bonds.h"
#include "chem/elements.h"
#include "core/memory.h"

enum { COMMENT = 4096 };

typedef struct {
  const char *at, *end;
} text;

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

// The next word of the line; of length 0 at its end.
static size_t next_word(text *line, const char **word) {
  while (line->at < line->end && is_blank(*line->at)) line->at++;
  *word = line->at;
  while (line->at < line->end && !is_blank(*line->at)) line->at++;
  return (size_t)(line->at - *word);
}

static bool next_line(text *all, text *line) {
  if (all->at == all->end) return false;
  const char *feed = memchr(all->at, '\n', (size_t)(all->end - all->at));
  *line = (text){all->at, feed ? feed : all->end};
  all->at = feed ? feed + 1 : all->end;
  return true;
}

static bool read_number(text *line, double *value) {
  const char *word;
  char digits[64], *end;
  size_t length = next_word(line, &word);
  if (length == 0 || length >= sizeof digits) return false;
  memcpy(digits, word, length), digits[length] = 0;
  *value = strtod(digits, &end);
  return !*end && isfinite(*value);
}

static tt_status read_count(text *line, uint32_t *atoms) {
  double count;
  const char *more;
  if (!read_number(line, &count) || next_word(line, &more) || count != floor(count) || count < 0)
    return tt_fail(TT_ERR_DATA, "parse: no number of atoms where a frame should begin");
  if (count > TT_BONDS_MOST_ATOMS)
    return tt_fail(TT_ERR_DATA, "too many atoms: %.0f, the limit of a frame is %d", count,
                   TT_BONDS_MOST_ATOMS);
  if (count == 0) return tt_fail(TT_ERR_DATA, "parse: a frame without atoms");
  *atoms = (uint32_t)count;
  return TT_OK;
}

// "key=value" or "key = value" in a comment; NULL: it has no such key.
static const char *value_of(const char *comment, const char *key) {
  size_t length = strlen(key);
  for (const char *p = comment; (p = strcasestr(p, key)); p += length) {
    if (p > comment && !is_blank(p[-1]) && p[-1] != ',' && p[-1] != ';') continue;
    const char *value = p + length + strspn(p + length, " \t");
    if (*value == '=') return value + 1 + strspn(value + 1, " \t\"");
  }
  return NULL;
}

static tt_status read_comment(const text *line, int *charge) {
  char comment[COMMENT];
  snprintf(comment, sizeof comment, "%.*s", (int)(line->end - line->at), line->at);
  const char *value = value_of(comment, "charge"), *columns = value_of(comment, "properties");
  *charge = 0;
  if (!value) value = value_of(comment, "total_charge");
  if (value) {
    char *end;
    double number = strtod(value, &end);
    bool ends = end > value && (!*end || strchr(" \t\r\",;", *end));
    if (!ends || number != floor(number) || fabs(number) > 30)
      return tt_fail(TT_ERR_DATA, "charge: the comment's is no whole number from -30 to 30");
    *charge = (int)number;
  }
  if (columns && strncasecmp(columns, "species:S:1:pos:R:3", 19) != 0)
    return tt_fail(TT_ERR_DATA, "parse: the comment says that other columns come before symbol, x, y, z");
  const char *periodic = value_of(comment, "pbc");
  bool cell = value_of(comment, "lattice") && !periodic; // then it is meant
  for (int k = 0; periodic && periodic[k] && periodic[k] != '"' && k < 6; k++)
    cell |= strchr("Tt1", periodic[k]) != NULL;
  return cell ? tt_fail(TT_ERR_DATA, "coordinates: the cell is periodic, which molecules here are not")
              : TT_OK;
}

// An element may be given by its number: 0 if these are not one to three digits. They may end the record.
static int decimal(const char *digits, size_t length) {
  int value = 0;
  for (size_t k = 0; k < length; k++) {
    if (length > 3 || digits[k] < '0' || digits[k] > '9') return 0;
    value = 10 * value + (digits[k] - '0');
  }
  return value;
}

static tt_status read_atom(text *line, uint32_t which, uint8_t *number, float *xyz) {
  const char *symbol;
  size_t length = next_word(line, &symbol);
  int found = tt_element_number(symbol, length);
  if (!found) found = decimal(symbol, length);
  if (found < 1 || found > TT_ELEMENTS)
    return tt_fail(TT_ERR_DATA, "element: '%.*s' of atom %u is none", (int)(length < 20 ? length : 20),
                   symbol, which + 1);
  *number = (uint8_t)found;
  for (int x = 0; x < 3; x++) {
    double value;
    if (!read_number(line, &value) || fabs(value) > 1e6)
      return tt_fail(TT_ERR_DATA, "parse: atom %u has no x, y, z", which + 1);
    xyz[x] = (float)value;
  }
  return TT_OK;
}

static tt_status read_frame(text *all, tt_xyz *f) {
  text line;
  if (!next_line(all, &line)) return tt_fail(TT_ERR_DATA, "parse: an empty frame");
  TT_TRY(read_count(&line, &f->atoms));
  if (!next_line(all, &line)) return tt_fail(TT_ERR_DATA, "parse: the frame ends too early");
  TT_TRY(read_comment(&line, &f->charge));
  TT_TRY(tt_alloc(&f->numbers, f->atoms, 1, "a frame"));
  TT_TRY(tt_alloc(&f->coordinates, f->atoms, 3 * sizeof(float), "a frame"));
  for (uint32_t i = 0; i < f->atoms; i++) {
    if (!next_line(all, &line))
      return tt_fail(TT_ERR_DATA, "parse: the frame ends after %u of %u atoms", i, f->atoms);
    TT_TRY(read_atom(&line, i, &f->numbers[i], f->coordinates + 3 * (size_t)i));
  }
  return TT_OK;
}

tt_status tt_xyz_read(const char *from, size_t length, tt_xyz *frame) {
  *frame = (tt_xyz){0};
  return read_frame(&(text){from, from + length}, frame);
}

void tt_xyz_free(tt_xyz *f) {
  free(f->numbers), free(f->coordinates);
  *f = (tt_xyz){0};
}
