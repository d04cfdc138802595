#include "store/manifest.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "store/schema.h"

static const char format_name[] = "twotrack store";
enum { MOST_SHARDS = 100000 }; // five digits in a file's name

// The file is JSON, with one shard a line: readable, and a line-wise diff of two stores says which shards
// differ. Its layout is fixed, byte for byte:
//   - the head: "{", format, schema_version, chunk, build, each on a line of its own;
//   - SHARDS, then each shard's line, indented by two, with a comma behind all but the last one;
//   - TAIL, with the digest of all bytes before it.
// So a large store is read line by line, without a tree of it all in memory, and its digest costs one pass.
#define SHARDS "\n \"shards\": ["
#define TAIL "\n ],\n \"digest\": \"%s\"\n}\n"
enum { TAIL_BYTES = sizeof TAIL - 3 + 32 }; // the digest for %s; no terminator

static const char remedy[] = "restore it from a copy or build the store again";

// ---- writing
// --------------------------------------------------------------------------------------------------

static json_t *entry_to_json(const tt_shard_entry *e) {
  char header_crc[9], index_crc[9];
  snprintf(header_crc, sizeof header_crc, "%08x", e->header_crc);
  snprintf(index_crc, sizeof index_crc, "%08x", e->index_crc);
  json_t *lengths = json_array();
  for (int k = 0; k < TT_LENGTH_BINS; k++)
    json_array_append_new(lengths, json_integer((json_int_t)e->lengths[k]));
  return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:s, s:s, s:s}",
                   "file", e->file, "split", tt_split_name(e->split), "records", (json_int_t)e->records,
                   "conformers", (json_int_t)e->conformers, "atoms", (json_int_t)e->atoms, "bonds",
                   (json_int_t)e->bonds, "pairs", (json_int_t)e->pairs, "coordinate_rows",
                   (json_int_t)e->coordinate_rows, "smiles_bytes", (json_int_t)e->smiles_bytes, "bytes",
                   (json_int_t)e->bytes, "shortest", (json_int_t)e->shortest, "longest",
                   (json_int_t)e->longest, "lengths", lengths, "header_bytes", (json_int_t)e->header_bytes,
                   "header_crc32c", header_crc, "index_crc32c", index_crc, "digest", e->digest);
}

static json_t *info_to_json(const tt_store_info *info) {
  char seed[24]; // as text: JSON numbers have no 64 unsigned bits everywhere
  snprintf(seed, sizeof seed, "%" PRIu64, info->seed);
  return json_pack("{s:b, s:b, s:s, s:s, s:s}", "hydrogens", (int)info->hydrogens, "coordinates_2d",
                   (int)info->coordinates_2d, "seed", seed, "toolkit", info->toolkit, "recipe", info->recipe);
}

// Writes the object, which it takes, as one line's text.
static tt_status put_object(FILE *out, const char *path, json_t *object) {
  char *text = object ? json_dumps(object, JSON_SORT_KEYS) : NULL;
  json_decref(object);
  if (!text)
    return tt_fail(TT_ERR_ARGUMENT, "%s: the toolkit or recipe is no UTF-8 text, or memory is out", path);
  fputs(text, out);
  free(text);
  return TT_OK;
}

// All that comes before TAIL.
static tt_status put_body(FILE *out, const char *path, const tt_store_info *info,
                          const tt_shard_entry *entries, uint32_t count) {
  fprintf(out,
          "{\n \"format\": \"%s\",\n \"schema_version\": %d,\n \"chunk\": %d,\n \"build\": ", format_name,
          TT_STORE_SCHEMA, TT_CHUNK);
  TT_TRY(put_object(out, path, info_to_json(info)));
  fputs("," SHARDS, out);
  for (uint32_t k = 0; k < count; k++) {
    fputs(k ? ",\n  " : "\n  ", out);
    TT_TRY(put_object(out, path, entry_to_json(&entries[k])));
  }
  return TT_OK;
}

tt_status tt_manifest_write(const char *folder, const tt_store_info *info, const tt_shard_entry *entries,
                            uint32_t count) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/manifest.json", folder) >= (int)sizeof path - 16)
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", folder);
  for (uint32_t k = 0; k < count; k++) {
    char file[sizeof entries->file];
    snprintf(file, sizeof file, "shard-%05u.h5", k);
    if (k >= MOST_SHARDS || strcmp(file, entries[k].file) != 0)
      return tt_fail(TT_ERR_ARGUMENT, "%s: entry %u is %.31s; shards are numbered 0, 1, 2 ... 99999", path, k,
                     entries[k].file);
  }
  char *text = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream(&text, &bytes);
  if (!out) return tt_fail(TT_ERR_MEMORY, "out of memory: the manifest");
  tt_status status = put_body(out, path, info, entries, count);
  if (fflush(out) == 0) fprintf(out, TAIL, tt_digest_of(text, bytes).text); // the stream keeps text and bytes
  if ((ferror(out) | fclose(out)) && status == TT_OK)
    status = tt_fail(TT_ERR_MEMORY, "out of memory: the manifest");
  if (status == TT_OK) {
    status = tt_file_replace(path, text, bytes);
    if (status != TT_OK) unlink(path); // it may have got its name before the folder could not be synced
  }
  free(text);
  return status;
}

// ---- reading
// --------------------------------------------------------------------------------------------------

static bool is_number(const json_t *number, uint64_t *value) {
  if (!json_is_integer(number) || json_integer_value(number) < 0) return false;
  *value = (uint64_t)json_integer_value(number);
  return true;
}

static bool get_number(const json_t *object, const char *key, uint64_t *value) {
  return is_number(json_object_get(object, key), value);
}

static bool get_text(const json_t *object, const char *key, char *text, size_t size) {
  const char *value = json_string_value(json_object_get(object, key));
  return value && (size_t)snprintf(text, size, "%s", value) < size;
}

static bool get_crc(const json_t *object, const char *key, uint32_t *value) {
  char text[9], rest;
  return get_text(object, key, text, sizeof text) && sscanf(text, "%8" SCNx32 "%c", value, &rest) == 1;
}

static bool entry_from_json(const json_t *object, uint32_t number, tt_shard_entry *e) {
  char split[8], file[32];
  uint64_t header_bytes;
  const json_t *lengths = json_object_get(object, "lengths");
  snprintf(file, sizeof file, "shard-%05u.h5", number);
  if (!get_text(object, "file", e->file, sizeof e->file) || strcmp(e->file, file) != 0 ||
      !get_text(object, "split", split, sizeof split) || !get_number(object, "records", &e->records) ||
      !get_number(object, "conformers", &e->conformers) || !get_number(object, "atoms", &e->atoms) ||
      !get_number(object, "bonds", &e->bonds) || !get_number(object, "pairs", &e->pairs) ||
      !get_number(object, "coordinate_rows", &e->coordinate_rows) ||
      !get_number(object, "smiles_bytes", &e->smiles_bytes) || !get_number(object, "bytes", &e->bytes) ||
      !get_number(object, "shortest", &e->shortest) || !get_number(object, "longest", &e->longest) ||
      !get_number(object, "header_bytes", &header_bytes) || header_bytes != TT_SHARD_HEADER ||
      !get_crc(object, "header_crc32c", &e->header_crc) || !get_crc(object, "index_crc32c", &e->index_crc) ||
      !get_text(object, "digest", e->digest, sizeof e->digest) || json_array_size(lengths) != TT_LENGTH_BINS)
    return false;
  e->split = strcmp(split, "valid") == 0 ? TT_VALID : TT_TRAIN;
  e->header_bytes = (uint32_t)header_bytes;
  for (int k = 0; k < TT_LENGTH_BINS; k++)
    if (!is_number(json_array_get(lengths, (size_t)k), &e->lengths[k])) return false;
  return strcmp(split, tt_split_name(e->split)) == 0;
}

static bool info_from_json(const json_t *build, tt_store_info *info) {
  char seed[24], rest;
  const json_t *hydrogens = json_object_get(build, "hydrogens"),
               *flat = json_object_get(build, "coordinates_2d");
  info->hydrogens = json_is_true(hydrogens), info->coordinates_2d = json_is_true(flat);
  return json_is_boolean(hydrogens) && json_is_boolean(flat) && get_text(build, "seed", seed, sizeof seed) &&
         sscanf(seed, "%" SCNu64 "%c", &info->seed, &rest) == 1 &&
         get_text(build, "toolkit", info->toolkit, sizeof info->toolkit) &&
         get_text(build, "recipe", info->recipe, sizeof info->recipe);
}

// The head as one object: what stands before SHARDS, its last comma made a closing brace. NULL when that is
// no JSON, with the reason in *error.
static json_t *head_object(char *text, const char *shards, json_error_t *error) {
  size_t bytes = shards ? (size_t)(shards - text) : 0;
  *error = (json_error_t){.line = 1, .text = "it does not begin as a manifest does"};
  if (bytes < 2) return NULL;
  text[bytes - 1] = '}';
  return json_loadb(text, bytes, JSON_REJECT_DUPLICATES, error);
}

// Whether the file is what it was written as. Digest: of the text before TAIL.
static bool is_whole(const char *text, size_t bytes, tt_digest *digest) {
  char tail[TAIL_BYTES + 1];
  if (bytes < TAIL_BYTES) return false;
  *digest = tt_digest_of(text, bytes - TAIL_BYTES);
  snprintf(tail, sizeof tail, TAIL, digest->text);
  return memcmp(text + bytes - TAIL_BYTES, tail, TAIL_BYTES) == 0;
}

// What the head says, before anything else is believed: another program's file or another version is told
// from a damaged one.
static tt_status check_head(const char *path, const json_t *head, const json_error_t *error, bool whole) {
  if (!head)
    return tt_fail(TT_ERR_CORRUPT, "%s, line %d: %s; it is damaged or no manifest of a twotrack store; %s",
                   path, error->line, error->text, remedy);
  const char *format = json_string_value(json_object_get(head, "format"));
  if (!format || strcmp(format, format_name) != 0)
    return tt_fail(TT_ERR_FORMAT, "%s is not the manifest of a twotrack store", path);
  uint64_t version = 0;
  get_number(head, "schema_version", &version);
  if (version != TT_STORE_SCHEMA)
    return tt_fail(TT_ERR_FORMAT,
                   "%s has schema version %llu, this program reads version %d; build the store again, "
                   "or use the version of twotrack that made it",
                   path, (unsigned long long)version, TT_STORE_SCHEMA);
  if (!whole)
    return tt_fail(TT_ERR_CORRUPT, "%s does not match its own digest: it is damaged or was edited; %s", path,
                   remedy);
  return TT_OK;
}

// Reads the shards' lines from `line` (behind SHARDS) to `end`, the line feed of TAIL.
static tt_status read_shards(const char *path, const char *line, const char *end, tt_manifest *manifest) {
  uint64_t count = 0;
  for (const char *p = line; p < end; p++) count += *p == '\n';
  if (count > MOST_SHARDS)
    return tt_fail(TT_ERR_FORMAT, "%s names %llu shards, more than 100,000; %s", path,
                   (unsigned long long)count, remedy);
  TT_TRY(tt_alloc(&manifest->entries, count, sizeof *manifest->entries, "the manifest of a store"));
  for (; manifest->count < count; manifest->count++) {
    const char *next = memchr(line + 1, '\n', (size_t)(end - line) - 1);
    if (!next) next = end;
    size_t bytes = (size_t)(next - line) - (next < end); // without the comma
    tt_shard_entry *entry = &manifest->entries[manifest->count];
    tt_shard_layout layout;
    json_t *object = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, NULL);
    bool read = entry_from_json(object, manifest->count, entry) && (next == end || next[-1] == ',');
    json_decref(object);
    if (!read)
      return tt_fail(TT_ERR_FORMAT, "%s: the entry of shard %u is not as schema version %d has it; %s", path,
                     manifest->count, TT_STORE_SCHEMA, remedy);
    if (tt_schema_layout(entry, manifest->info.coordinates_2d, &layout) != TT_OK)
      return tt_fail_in(TT_ERR_FORMAT, "%s", path);
    line = next;
  }
  return line == end ? TT_OK
                     : tt_fail(TT_ERR_FORMAT, "%s: its list of shards has not one a line; %s", path, remedy);
}

static tt_status parse(const char *path, char *text, size_t bytes, tt_manifest *manifest) {
  const char *shards = strstr(text, SHARDS);
  bool whole = is_whole(text, bytes, &manifest->digest);
  json_error_t error;
  json_t *head = head_object(text, shards, &error);
  tt_status status = check_head(path, head, &error, whole);
  uint64_t chunk = 0;
  if (status == TT_OK && (!get_number(head, "chunk", &chunk) || chunk != TT_CHUNK ||
                          !info_from_json(json_object_get(head, "build"), &manifest->info)))
    status =
        tt_fail(TT_ERR_FORMAT, "%s lacks fields of schema version %d; %s", path, TT_STORE_SCHEMA, remedy);
  json_decref(head);
  TT_TRY(status);
  return read_shards(path, shards + sizeof SHARDS - 1, text + bytes - TAIL_BYTES, manifest);
}

tt_status tt_manifest_read(const char *folder, tt_manifest *manifest) {
  *manifest = (tt_manifest){0};
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/manifest.json", folder) >= (int)sizeof path)
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", folder);
  char *text;
  size_t bytes;
  tt_status status = tt_file_read(path, &text, &bytes);
  if (status != TT_OK) {
    char why[512];
    snprintf(why, sizeof why, "%s", tt_error_message());
    return tt_fail(
        status, "%s; %s", why,
        tt_file_exists(folder)
            ? "a store has its manifest written last: did its build finish, and is this the right folder?"
            : "the folder is not there");
  }
  status = parse(path, text, bytes, manifest);
  free(text);
  if (status != TT_OK) free(manifest->entries), manifest->entries = NULL;
  return status;
}
