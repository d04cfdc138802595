// A store on disk whose files the tests damage and put back. What is in one test's folder only is its own.
#ifndef TT_TESTS_STORE_STORED_FILES_H
#define TT_TESTS_STORE_STORED_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "synthetic.h"

typedef struct {
  char name[32], *data;
  size_t bytes;
} stored_file;

static char folder[64];

// A path in the folder, good until the next call.
static inline const char *in(const char *file) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, file);
  return path;
}

static inline void assert_ok(tt_status status) {
  if (status != TT_OK) fail_msg("%s", tt_error_message());
}

// Plain write: damage needs no sync.
static inline void write_file(const char *file, const void *data, size_t bytes) {
  FILE *f = fopen(in(file), "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(data, 1, bytes, f), bytes);
  assert_int_equal(fclose(f), 0);
}

static inline void restore(const stored_file *file) {
  write_file(file->name, file->data, file->bytes);
}

// Makes a folder of that name (".XXXXXX" is added) with a store of these shards, and keeps what is in its
// files: one a shard, then the manifest.
static inline void store_files(const char *name, uint64_t seed, const synthetic_shard *shards, int count,
                               stored_file *files) {
  snprintf(folder, sizeof folder, "%s.XXXXXX", name);
  assert_non_null(mkdtemp(folder));
  assert_ok(synthetic_store(folder, seed, true, shards, (uint32_t)count));
  for (int k = 0; k <= count; k++) {
    strcpy(files[k].name, "manifest.json");
    if (k < count) snprintf(files[k].name, sizeof files[k].name, "shard-%05d.h5", k);
    assert_ok(tt_file_read(in(files[k].name), &files[k].data, &files[k].bytes));
  }
}

static inline int remove_files(stored_file *files, int count) {
  for (int k = 0; k < count; k++) unlink(in(files[k].name)), free(files[k].data);
  return rmdir(folder);
}

#endif
