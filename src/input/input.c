#include "input/input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "core/memory.h"
#include "input/lmdb.h"

enum {
  READ_AHEAD = 1 << 18,
  LONGEST = 2 << 20,
  LINE_ROOM = 1 << 16, // at the end of the text, where the lines of a record that is too long go by
  LONGEST_NAME = 200
};

struct tt_input {
  char *path;
  tt_input_kind kind;
  gzFile file;
  int64_t size;
  uint64_t number; // lines, or records, so far
  char *ahead;     // READ_AHEAD bytes: [at, filled) are still to be used
  size_t at, filled;
  char *text; // what is being put together
  size_t length, capacity;
  size_t kept; // bytes at the end of the text that belong to the next record
  tt_lmdb *lmdb;
  char key[LONGEST_NAME]; // as text
};

tt_status tt_input_open(tt_input **input, const char *path, tt_input_kind kind) {
  *input = NULL;
  struct stat s;
  if (stat(path, &s) != 0) return tt_fail(TT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
  if (S_ISDIR(s.st_mode))
    return tt_fail(TT_ERR_IO,
                   "cannot read %s: not a file but a folder (of an LMDB database name its data.mdb)", path);
  if (!S_ISREG(s.st_mode))
    return tt_fail(TT_ERR_IO, "cannot read %s: not a file (each rank reads it for itself)", path);
  tt_input *in = calloc(1, sizeof *in);
  if (!in) return tt_fail(TT_ERR_MEMORY, "out of memory reading %s", path);
  in->kind = kind, in->size = s.st_size;
  if (kind == TT_INPUT_LMDB) {
    tt_status status = tt_lmdb_open(&in->lmdb, path, LONGEST);
    if (status != TT_OK) return tt_input_close(in), status;
    return *input = in, TT_OK;
  }
  in->path = strdup(path), in->ahead = malloc(READ_AHEAD);
  errno = 0;
  in->file = gzopen(path, "rbe");
  int why = errno;
  if (in->file && in->path && in->ahead) return *input = in, TT_OK;
  tt_input_close(in);
  return why ? tt_fail(TT_ERR_IO, "cannot read %s: %s", path, strerror(why))
             : tt_fail(TT_ERR_MEMORY, "out of memory reading %s", path);
}

void tt_input_close(tt_input *in) {
  if (!in) return;
  if (in->file) gzclose(in->file);
  tt_lmdb_close(in->lmdb);
  free(in->path), free(in->ahead), free(in->text), free(in);
}

int64_t tt_input_position(tt_input *in) {
  if (in->lmdb) {
    uint64_t all = tt_lmdb_entries(in->lmdb);
    return all ? (int64_t)((double)in->size * (double)in->number / (double)all) : in->size;
  }
  return gzoffset(in->file);
}

int64_t tt_input_size(const tt_input *in) {
  return in->size;
}

static tt_status fill(tt_input *in) {
  in->at = in->filled = 0;
  int n = gzread(in->file, in->ahead, READ_AHEAD);
  if (n > 0) return in->filled = (size_t)n, TT_OK;
  int code = Z_OK; // the end of a gzip file that is cut short looks like the end of a whole one until asked
  const char *why = gzerror(in->file, &code);
  if (n == 0 && (code == Z_OK || code == Z_STREAM_END)) return TT_OK;
  if (code == Z_ERRNO) why = strerror(errno);
  if (code == Z_BUF_ERROR) why = "the gzip file is cut short";
  return tt_fail(TT_ERR_IO, "cannot read %s: %s", in->path, why);
}

// Appends the next line, without its end, to the text; *end: there was none. What is too long is cut.
static tt_status append_line(tt_input *in, bool *end) {
  *end = true;
  for (;;) {
    if (in->at == in->filled) TT_TRY(fill(in));
    if (in->filled == 0) return TT_OK;
    *end = false;
    const char *from = in->ahead + in->at, *feed = memchr(from, '\n', in->filled - in->at);
    size_t bytes = feed ? (size_t)(feed - from) : in->filled - in->at;
    in->at += bytes + (feed != NULL);
    if (bytes > LONGEST - in->length) bytes = LONGEST - in->length;
    TT_TRY(tt_reserve(&in->text, &in->capacity, in->length + bytes + 1, 1, "a line of a file"));
    memcpy(in->text + in->length, from, bytes);
    in->length += bytes;
    if (!feed) continue;
    if (in->length && in->text[in->length - 1] == '\r') in->length--;
    return TT_OK;
  }
}

// Where the next line of a record of several lines begins. When the text is full, a line takes the place of
// the one before, which is lost: the end of the record must be seen, however long it is.
static size_t begin_line(tt_input *in) {
  if (in->length > LONGEST - LINE_ROOM) in->length = LONGEST - LINE_ROOM;
  return in->length;
}

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' || c == '\n';
}

static void name_it(tt_input_record *record, const char *name, size_t length) {
  record->name = name;
  record->name_length = length < LONGEST_NAME ? length : LONGEST_NAME;
}

static tt_status next_smiles(tt_input *in, tt_input_record *record, bool *end) {
  for (;;) {
    in->length = 0;
    TT_TRY(append_line(in, end));
    if (*end) return TT_OK;
    record->number = ++in->number;
    size_t first = 0, last;
    // the mark that some editors put before UTF-8 text
    if (in->number == 1 && in->length >= 3 && memcmp(in->text, "\xef\xbb\xbf", 3) == 0) first = 3;
    while (first < in->length && is_space(in->text[first])) first++;
    for (last = first; last < in->length && !is_space(in->text[last]);) last++;
    if (first == last || in->text[first] == '#') continue;
    record->text = in->text + first, record->length = last - first;
    name_it(record, record->text, record->length);
    return TT_OK;
  }
}

static tt_status next_sdf(tt_input *in, tt_input_record *record, bool *end) {
  in->length = 0;
  bool blank = true;
  for (;;) {
    size_t start = begin_line(in);
    bool none;
    TT_TRY(append_line(in, &none));
    if (none) break;
    if (in->length - start >= 4 && memcmp(in->text + start, "$$$$", 4) == 0) {
      blank = false, in->length = start;
      break;
    }
    for (size_t k = start; k < in->length && blank; k++) blank = is_space(in->text[k]);
    if (in->length < LONGEST) in->text[in->length++] = '\n';
  }
  *end = blank; // blank lines after the last "$$$$" are no record
  if (blank) return TT_OK;
  record->number = ++in->number;
  record->text = in->text, record->length = in->length;
  const char *feed = in->length ? memchr(in->text, '\n', in->length) : NULL;
  name_it(record, in->text, feed ? (size_t)(feed - in->text) : in->length);
  return TT_OK;
}

// Does a line hold nothing but a number, as the first one of a frame does?
static bool is_count(const char *line, size_t length, uint64_t *count) {
  size_t k = 0, digits = 0;
  *count = 0;
  while (k < length && is_space(line[k])) k++;
  for (; k < length && line[k] >= '0' && line[k] <= '9' && digits < 10; k++, digits++)
    *count = 10 * *count + (uint64_t)(line[k] - '0');
  while (k < length && is_space(line[k])) k++;
  return digits > 0 && k == length;
}

static bool is_blank(const char *line, size_t length) {
  for (size_t k = 0; k < length; k++)
    if (!is_space(line[k])) return false;
  return true;
}

// A frame ends after its atoms, or where the next one begins too early; what lies between frames makes a
// record of its own, to be refused. So a damaged frame does not take others with it.
static tt_status next_xyz(tt_input *in, tt_input_record *record, bool *end) {
  // the line at which the last call stopped begins this record
  if (in->kept) memmove(in->text, in->text + in->length - in->kept, in->kept);
  in->length = in->kept, in->kept = 0;
  uint64_t lines = 0, atoms = 0, count;
  size_t comment = 0, comment_length = 0;
  bool frame = false;
  if (in->length) frame = is_count(in->text, in->length, &atoms), lines = 1;
  while (!frame || lines < atoms + 2) {
    size_t start = begin_line(in);
    bool none;
    TT_TRY(append_line(in, &none));
    if (none) break;
    size_t length = in->length - start;
    if (lines == 0 && is_blank(in->text + start, length)) {
      in->length = start;
      continue;
    }
    if (in->length < LONGEST) in->text[in->length++] = '\n';
    bool number = is_count(in->text + start, length, &count);
    if (lines == 0 && number)
      frame = true, atoms = count;
    else if (number && (!frame || lines != 1)) { // the comment may be one
      in->kept = in->length - start;
      break;
    }
    if (frame && lines == 1) comment = start, comment_length = length;
    lines++;
  }
  if ((*end = lines == 0)) return TT_OK;
  record->number = ++in->number;
  record->text = in->text, record->length = in->length - in->kept;
  name_it(record, in->text + comment, comment_length);
  return TT_OK;
}

// A key as people write it: Uni-Mol's are decimal numbers, Uni-Mol2's numbers of four bytes.
static size_t key_text(const tt_lmdb_entry *e, char *text, size_t size) {
  size_t printable = 0;
  while (printable < e->key_length && e->key[printable] > ' ' && e->key[printable] <= '~') printable++;
  if (printable && printable == e->key_length)
    return (size_t)snprintf(text, size, "key %.*s", (int)(printable < 150 ? printable : 150),
                            (const char *)e->key);
  size_t length = (size_t)snprintf(text, size, "key 0x");
  for (size_t k = 0; k < e->key_length && k < 64; k++)
    length += (size_t)snprintf(text + length, size - length, "%02x", e->key[k]);
  return length;
}

static tt_status next_lmdb(tt_input *in, tt_input_record *record, bool *end) {
  tt_lmdb_entry entry;
  TT_TRY(tt_lmdb_next(in->lmdb, &entry, end));
  if (*end) return TT_OK;
  record->number = ++in->number;
  record->text = (const char *)entry.value, record->length = entry.value_length;
  name_it(record, in->key, key_text(&entry, in->key, sizeof in->key));
  return TT_OK;
}

tt_status tt_input_next(tt_input *in, tt_input_record *record, bool *end) {
  switch (in->kind) {
  case TT_INPUT_SMILES:
    return next_smiles(in, record, end);
  case TT_INPUT_SDF:
    return next_sdf(in, record, end);
  case TT_INPUT_XYZ:
    return next_xyz(in, record, end);
  case TT_INPUT_LMDB:
    return next_lmdb(in, record, end);
  }
  return tt_fail(TT_ERR_ARGUMENT, "no such kind of input: %d", (int)in->kind);
}

tt_status tt_input_skip(tt_input *in, uint64_t records) {
  if (in->lmdb) {
    uint64_t left = tt_lmdb_entries(in->lmdb) - in->number;
    if (records > left) records = left;
    in->number += records;
    return tt_lmdb_skip(in->lmdb, records);
  }
  tt_input_record record;
  bool end = false;
  for (uint64_t k = 0; k < records && !end; k++) TT_TRY(tt_input_next(in, &record, &end));
  return TT_OK;
}
