#include "store/manifest.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "store/schema.h"

static const char format_name[] = "twotrack store";

// The digest covers the canonical text (sorted keys, no spaces) of the manifest without the digest itself.
static tt_status digest_of(json_t *manifest, tt_digest *digest) {
  char *text = json_dumps(manifest, JSON_COMPACT | JSON_SORT_KEYS);
  if (!text) return tt_fail(TT_ERR_MEMORY, "out of memory: the manifest's text");
  *digest = tt_digest_of(text, strlen(text));
  free(text);
  return TT_OK;
}

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

static json_t *to_json(const tt_store_info *info, const tt_shard_entry *entries, uint32_t count) {
  char seed[24]; // as text: JSON numbers have no 64 unsigned bits everywhere
  snprintf(seed, sizeof seed, "%" PRIu64, info->seed);
  json_t *shards = json_array();
  for (uint32_t k = 0; k < count; k++) json_array_append_new(shards, entry_to_json(&entries[k]));
  return json_pack("{s:s, s:i, s:i, s:{s:b, s:b, s:s, s:s, s:s}, s:o}", "format", format_name,
                   "schema_version", TT_STORE_SCHEMA, "chunk", TT_CHUNK, "build", "hydrogens",
                   (int)info->hydrogens, "coordinates_2d", (int)info->coordinates_2d, "seed", seed, "toolkit",
                   info->toolkit, "recipe", info->recipe, "shards", shards);
}

// One shard a line: readable, and a line-wise diff of two stores says which shards differ.
static tt_status write_text(FILE *out, json_t *manifest) {
  static const char *const keys[] = {"build", "chunk", "digest", "format",
                                     "schema_version"}; // and then "shards"
  json_t *shard, *shards = json_object_get(manifest, "shards");
  fprintf(out, "{\n");
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    char *text = json_dumps(json_object_get(manifest, keys[i]), JSON_SORT_KEYS | JSON_ENCODE_ANY);
    if (!text) return tt_fail(TT_ERR_MEMORY, "out of memory: the manifest's text");
    fprintf(out, " \"%s\": %s,\n", keys[i], text);
    free(text);
  }
  size_t k;
  fprintf(out, " \"shards\": [");
  json_array_foreach(shards, k, shard) {
    char *text = json_dumps(shard, JSON_SORT_KEYS);
    if (!text) return tt_fail(TT_ERR_MEMORY, "out of memory: the manifest's text");
    fprintf(out, "%s\n  %s", k ? "," : "", text);
    free(text);
  }
  fprintf(out, "\n ]\n}\n");
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
    if (k > 99999 || strcmp(file, entries[k].file) != 0)
      return tt_fail(TT_ERR_ARGUMENT, "%s: entry %u is %.31s; shards are numbered 0, 1, 2 ... 99999", path, k,
                     entries[k].file);
  }
  json_t *manifest = to_json(info, entries, count);
  if (!manifest)
    return tt_fail(TT_ERR_ARGUMENT, "%s: the toolkit or recipe is no UTF-8 text, or memory is out", path);
  tt_digest digest;
  char *text = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream(&text, &bytes);
  tt_status status =
      out ? digest_of(manifest, &digest) : tt_fail(TT_ERR_MEMORY, "out of memory: the manifest");
  if (status == TT_OK && json_object_set_new(manifest, "digest", json_string(digest.text)) != 0)
    status = tt_fail(TT_ERR_MEMORY, "out of memory: the manifest");
  if (status == TT_OK) status = write_text(out, manifest);
  if (out && fclose(out) != 0 && status == TT_OK)
    status = tt_fail(TT_ERR_MEMORY, "out of memory: the manifest");
  if (status == TT_OK) status = tt_file_replace(path, text, bytes);
  free(text);
  json_decref(manifest);
  return status;
}

// ---- reading
// --------------------------------------------------------------------------------------------------

static bool get_number(const json_t *object, const char *key, uint64_t *value) {
  const json_t *number = json_object_get(object, key);
  if (!json_is_integer(number) || json_integer_value(number) < 0) return false;
  *value = (uint64_t)json_integer_value(number);
  return true;
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
    e->lengths[k] = (uint64_t)json_integer_value(json_array_get(lengths, (size_t)k));
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

static tt_status from_json(const char *path, json_t *root, tt_manifest *manifest) {
  static const char remedy[] = "restore it from a copy or build the store again";
  const char *format = json_string_value(json_object_get(root, "format"));
  if (!format || strcmp(format, format_name) != 0)
    return tt_fail(TT_ERR_FORMAT, "%s is not the manifest of a twotrack store", path);
  uint64_t version = 0, chunk = 0;
  get_number(root, "schema_version", &version);
  if (version != TT_STORE_SCHEMA)
    return tt_fail(TT_ERR_FORMAT,
                   "%s has schema version %llu, this program reads version %d; build the store again, "
                   "or use the version of twotrack that made it",
                   path, (unsigned long long)version, TT_STORE_SCHEMA);
  if (!get_text(root, "digest", manifest->digest.text, sizeof manifest->digest.text))
    return tt_fail(TT_ERR_CORRUPT, "%s has no digest: it is damaged; %s", path, remedy);
  json_object_del(root, "digest");
  tt_digest found;
  TT_TRY(digest_of(root, &found));
  if (strcmp(found.text, manifest->digest.text) != 0)
    return tt_fail(TT_ERR_CORRUPT, "%s does not match its own digest: it is damaged or was edited; %s", path,
                   remedy);

  const json_t *shards = json_object_get(root, "shards");
  size_t count = json_array_size(shards);
  if (!get_number(root, "chunk", &chunk) || chunk != TT_CHUNK || !json_is_array(shards) || count > 100000 ||
      !info_from_json(json_object_get(root, "build"), &manifest->info))
    return tt_fail(TT_ERR_FORMAT, "%s lacks fields of schema version %d; %s", path, TT_STORE_SCHEMA, remedy);
  TT_TRY(tt_alloc(&manifest->entries, count, sizeof *manifest->entries, "the manifest of a store"));
  manifest->count = (uint32_t)count;
  for (uint32_t k = 0; k < count; k++) {
    tt_shard_layout layout;
    if (!entry_from_json(json_array_get(shards, k), k, &manifest->entries[k]))
      return tt_fail(TT_ERR_FORMAT, "%s: the entry of shard %u is not as schema version %d has it; %s", path,
                     k, TT_STORE_SCHEMA, remedy);
    if (tt_schema_layout(&manifest->entries[k], manifest->info.coordinates_2d, &layout) != TT_OK)
      return tt_fail_in(TT_ERR_FORMAT, "%s", path);
  }
  return TT_OK;
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
  json_error_t error;
  json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
  free(text);
  if (!root)
    return tt_fail(TT_ERR_CORRUPT, "%s, line %d: %s; restore it from a copy or build the store again", path,
                   error.line, error.text);
  status = from_json(path, root, manifest);
  json_decref(root);
  if (status != TT_OK) free(manifest->entries), manifest->entries = NULL;
  return status;
}
