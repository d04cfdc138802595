#include "input/lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"

// A page: its number (u64), a pad (u16), flags (u16); then, but for a large value's pages, the ends of the
// table of nodes and of the free room (2 x u16) and the table (u16 a node: where in the page it begins). A
// node: 8 bytes, the key, in a leaf the value. Its 8 bytes hold in a leaf the value's length (u32), flags and
// the key's length (2 x u16); in a branch the child's page number (48 bits) and the key's length.
enum {
  PAGE_HEADER = 16,
  NODE_HEADER = 8,
  META_BYTES = 136,
  DEEPEST = 32,
  // pages' flags
  BRANCH = 1,
  LEAF = 2,
  LARGE = 4,
  META = 8,
  // nodes' flags
  LARGE_VALUE = 1, // the value is the number (u64) of its first page
  // a database's flags
  REVERSED_KEYS = 2,
  INTEGER_KEYS = 8,
  MOST_KEY = 2048, // of a key's bytes; LMDB allows 511 unless built otherwise
};
#define MAGIC 0xbeefc0deu
#define NO_PAGE UINT64_MAX

typedef struct {
  uint64_t number;
  unsigned char *bytes;
  unsigned at, count; // nodes
} level;

struct tt_lmdb {
  char *path;
  int file;
  uint64_t pages, page_bytes; // of the file
  uint64_t root, entries, seen, last_transaction;
  uint64_t pages_read; // no page of a tree is read twice: a bound for trees that run in circles
  unsigned flags, depth;
  level levels[DEEPEST];
  bool started;
  unsigned char *value, last_key[MOST_KEY];
  size_t longest, value_room, last_key_length;
};

static uint64_t number_at(const unsigned char *from, int bytes) {
  uint64_t value = 0;
  for (int k = bytes; k-- > 0;) value = value << 8 | from[k];
  return value;
}

static tt_status damaged(const tt_lmdb *l, uint64_t page, const char *what) {
  return tt_fail(TT_ERR_CORRUPT, "%s is damaged: page %llu of this LMDB database %s", l->path,
                 (unsigned long long)page, what);
}

static tt_status read_at(const tt_lmdb *l, uint64_t page, uint64_t offset, unsigned char *to, size_t bytes) {
  offset += page * l->page_bytes;
  while (bytes > 0) {
    ssize_t n = pread(l->file, to, bytes, (off_t)offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tt_fail(TT_ERR_IO, "cannot read %s: %s", l->path, strerror(errno));
    if (n == 0) return damaged(l, page, "lies behind the end of the file");
    to += n, offset += (uint64_t)n, bytes -= (size_t)n;
  }
  return TT_OK;
}

// ---- opening

// One of the two meta pages, of which the one of the later transaction counts.
static bool take_meta(tt_lmdb *l, const unsigned char *page) {
  const unsigned char *meta = page + PAGE_HEADER, *databases = meta + 24, *free_one = databases,
                      *main_one = databases + 48;
  if (!(number_at(page + 10, 2) & META) || number_at(meta, 4) != MAGIC || number_at(meta + 4, 4) != 1)
    return false;
  uint64_t transaction = number_at(meta + 128, 8);
  if (l->page_bytes && transaction <= l->last_transaction) return true;
  l->page_bytes = number_at(free_one, 4);
  l->last_transaction = transaction;
  l->flags = (unsigned)number_at(main_one + 4, 2), l->depth = (unsigned)number_at(main_one + 6, 2);
  l->entries = number_at(main_one + 32, 8), l->root = number_at(main_one + 40, 8);
  l->pages = 2; // that the file must have
  for (const unsigned char *d = free_one; d <= main_one; d += 48)
    for (int k = 0; k < 3; k++) {
      uint64_t pages = number_at(d + 8 + 8 * k, 8);
      l->pages = pages < UINT64_MAX - l->pages ? l->pages + pages : UINT64_MAX;
    }
  return true;
}

static bool sane_page_size(uint64_t bytes) {
  return bytes >= 256 && bytes <= 65536 && (bytes & (bytes - 1)) == 0;
}

static tt_status read_metas(tt_lmdb *l, uint64_t size) {
  unsigned char page[PAGE_HEADER + META_BYTES];
  if (size < sizeof page) return tt_fail(TT_ERR_FORMAT, "%s is no LMDB database: it is too short", l->path);
  TT_TRY(read_at(l, 0, 0, page, sizeof page));
  if (!take_meta(l, page) || !sane_page_size(l->page_bytes))
    return tt_fail(
        TT_ERR_FORMAT,
        "%s is no LMDB database of data format 1 (of a folder, name its data.mdb; unpack one that is "
        "compressed)",
        l->path);
  uint64_t page_bytes = l->page_bytes;
  if (size < 2 * page_bytes) return damaged(l, 1, "lies behind the end of the file");
  TT_TRY(read_at(l, 1, 0, page, sizeof page));
  if (!take_meta(l, page) || l->page_bytes != page_bytes) return damaged(l, 1, "is no meta page");
  if (size / page_bytes < l->pages)
    return tt_fail(TT_ERR_CORRUPT, "%s is cut short: this LMDB database has %llu pages, the file holds %llu",
                   l->path, (unsigned long long)l->pages, (unsigned long long)(size / page_bytes));
  l->pages = size / page_bytes;
  if (l->flags & ~(unsigned)(REVERSED_KEYS | INTEGER_KEYS))
    return tt_fail(TT_ERR_FORMAT, "%s: an LMDB database with several values a key is not read", l->path);
  bool empty = l->root == NO_PAGE;
  if (empty != (l->entries == 0) || empty != (l->depth == 0) || l->depth > DEEPEST)
    return damaged(l, l->root, "is no root of its tree");
  return TT_OK;
}

tt_status tt_lmdb_open(tt_lmdb **lmdb, const char *path, size_t longest) {
  *lmdb = NULL;
  tt_lmdb *l = calloc(1, sizeof *l);
  if (!l || !(l->path = strdup(path)))
    return free(l), tt_fail(TT_ERR_MEMORY, "out of memory reading %s", path);
  l->longest = longest;
  l->file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat s;
  tt_status status = TT_OK;
  if (l->file < 0 || fstat(l->file, &s) != 0)
    status = tt_fail(TT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
  else
    status = read_metas(l, (uint64_t)s.st_size);
  for (unsigned d = 0; status == TT_OK && d < l->depth; d++)
    if (!(l->levels[d].bytes = malloc(l->page_bytes)))
      status = tt_fail(TT_ERR_MEMORY, "out of memory reading %s", path);
  if (status != TT_OK) return tt_lmdb_close(l), status;
  return *lmdb = l, TT_OK;
}

void tt_lmdb_close(tt_lmdb *l) {
  if (!l) return;
  if (l->file >= 0) close(l->file);
  for (int d = 0; d < DEEPEST; d++) free(l->levels[d].bytes);
  free(l->path), free(l->value), free(l);
}

uint64_t tt_lmdb_entries(const tt_lmdb *l) {
  return l->entries;
}

// ---- walking

// Reads the page of one level and checks that all its nodes lie inside it.
static tt_status read_level(tt_lmdb *l, unsigned depth, uint64_t number) {
  level *v = &l->levels[depth];
  if (number < 2 || number >= l->pages) return damaged(l, number, "does not exist");
  if (++l->pages_read > l->pages) return damaged(l, number, "is reached twice");
  TT_TRY(read_at(l, number, 0, v->bytes, l->page_bytes));
  unsigned wanted = depth + 1 == l->depth ? LEAF : BRANCH, end = (unsigned)number_at(v->bytes + 12, 2);
  v->number = number, v->at = 0, v->count = (end - PAGE_HEADER) / 2;
  bool good = number_at(v->bytes, 8) == number && number_at(v->bytes + 10, 2) == wanted &&
              end > PAGE_HEADER && end <= l->page_bytes && end % 2 == 0;
  for (unsigned k = 0; good && k < v->count; k++) {
    uint64_t node = number_at(v->bytes + PAGE_HEADER + 2 * k, 2);
    good = node >= end && node + NODE_HEADER <= l->page_bytes &&
           node + NODE_HEADER + number_at(v->bytes + node + 6, 2) <= l->page_bytes;
  }
  return good ? TT_OK : damaged(l, number, "does not hold what it should");
}

static const unsigned char *node_of(const level *v) {
  return v->bytes + number_at(v->bytes + PAGE_HEADER + 2 * v->at, 2);
}

// Goes down from `depth`, whose page is there, to the first leaf below.
static tt_status descend(tt_lmdb *l, unsigned depth) {
  for (; depth + 1 < l->depth; depth++)
    TT_TRY(read_level(l, depth + 1, number_at(node_of(&l->levels[depth]), 6)));
  return TT_OK;
}

// Makes the leaf's node in hand one that exists; *end: none is left.
static tt_status reach(tt_lmdb *l, bool *end) {
  if ((*end = l->depth == 0)) return TT_OK;
  if (!l->started) {
    TT_TRY(read_level(l, 0, l->root));
    TT_TRY(descend(l, 0));
    l->started = true;
  }
  unsigned d = l->depth - 1;
  while (l->levels[d].at >= l->levels[d].count) {
    if ((*end = d == 0)) break;
    l->levels[--d].at++;
  }
  if (*end && l->seen != l->entries)
    return damaged(l, l->root, "leads to fewer entries than there should be");
  if (*end || d + 1 == l->depth) return TT_OK;
  return descend(l, d);
}

// Keys ascend. So a branch that leads to the wrong page is found out.
static tt_status check_key(tt_lmdb *l, const level *v, const unsigned char *key, size_t length) {
  if (length > MOST_KEY) return damaged(l, v->number, "has a key that is too long");
  size_t both = length < l->last_key_length ? length : l->last_key_length;
  int order = memcmp(l->last_key, key, both);
  bool ascends = l->seen == 0 || order < 0 || (order == 0 && l->last_key_length < length);
  if (l->flags == 0 && !ascends) return damaged(l, v->number, "has a key out of order");
  memcpy(l->last_key, key, length);
  l->last_key_length = length;
  return TT_OK;
}

static tt_status count_entry(tt_lmdb *l, const level *v) {
  return ++l->seen > l->entries ? damaged(l, v->number, "has more entries than there should be") : TT_OK;
}

static tt_status read_large(tt_lmdb *l, uint64_t page, size_t bytes) {
  unsigned char header[PAGE_HEADER];
  if (page < 2 || page >= l->pages) return damaged(l, page, "does not exist");
  TT_TRY(read_at(l, page, 0, header, sizeof header));
  uint64_t pages = number_at(header + 12, 4);
  if (number_at(header, 8) != page || number_at(header + 10, 2) != LARGE || pages < 1 ||
      pages > l->pages - page || bytes > pages * l->page_bytes - PAGE_HEADER)
    return damaged(l, page, "does not hold what it should");
  if (bytes > l->longest) bytes = l->longest;
  TT_TRY(tt_reserve(&l->value, &l->value_room, bytes + 1, 1, "an entry of an LMDB database"));
  return read_at(l, page, PAGE_HEADER, l->value, bytes);
}

static tt_status take_entry(tt_lmdb *l, const level *v, tt_lmdb_entry *entry) {
  const unsigned char *node = node_of(v), *end = v->bytes + l->page_bytes;
  unsigned flags = (unsigned)number_at(node + 4, 2);
  entry->key = node + NODE_HEADER, entry->key_length = (size_t)number_at(node + 6, 2);
  entry->value = entry->key + entry->key_length, entry->value_length = (size_t)number_at(node, 4);
  TT_TRY(check_key(l, v, entry->key, entry->key_length));
  TT_TRY(count_entry(l, v));
  if (flags & ~(unsigned)LARGE_VALUE)
    return tt_fail(TT_ERR_FORMAT, "%s: an LMDB database with others inside is not read", l->path);
  size_t inside = flags & LARGE_VALUE ? 8 : entry->value_length;
  if (inside > (size_t)(end - entry->value)) return damaged(l, v->number, "does not hold what it should");
  if (flags & LARGE_VALUE) {
    TT_TRY(read_large(l, number_at(entry->value, 8), entry->value_length));
    entry->value = l->value;
  }
  if (entry->value_length > l->longest) entry->value_length = l->longest;
  return TT_OK;
}

tt_status tt_lmdb_next(tt_lmdb *l, tt_lmdb_entry *entry, bool *end) {
  TT_TRY(reach(l, end));
  if (*end) return TT_OK;
  level *leaf = &l->levels[l->depth - 1];
  TT_TRY(take_entry(l, leaf, entry));
  leaf->at++;
  return TT_OK;
}

tt_status tt_lmdb_skip(tt_lmdb *l, uint64_t count) {
  for (; count > 0; count--) {
    bool end;
    TT_TRY(reach(l, &end));
    if (end) return TT_OK;
    level *leaf = &l->levels[l->depth - 1];
    const unsigned char *node = node_of(leaf);
    TT_TRY(check_key(l, leaf, node + NODE_HEADER, (size_t)number_at(node + 6, 2)));
    TT_TRY(count_entry(l, leaf));
    leaf->at++;
  }
  return TT_OK;
}
