#include "building/building.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/version.h"
#include "building/note.h"

// ---- names
// --------------------------------------------------------------------------------------------------

void tt_building_file(const tt_building *b, const char *name, char *path, size_t size) {
  snprintf(path, size, "%s/%s", b->path, name);
}

void tt_building_spill_name(const tt_building *b, int rank, uint32_t number, tt_spill_name *name) {
  snprintf(name->text, sizeof name->text, "spill-%04u-%05d-%06u", b->attempt, rank, number);
}

void tt_building_note(const tt_building *b, uint32_t shard, char *path, size_t size) {
  snprintf(path, size, "%s/shard-%05u.note", b->path, shard);
}

// What follows the number of "prefix-NUMBER" in a name; NULL when it is not of this form.
static const char *after_number(const char *name, const char *prefix, uint32_t *number) {
  size_t length = strlen(prefix);
  if (strncmp(name, prefix, length) != 0 || name[length] < '0' || name[length] > '9') return NULL;
  char *end;
  unsigned long value = strtoul(name + length, &end, 10);
  *number = (uint32_t)value;
  return value < 100000 && end == name + length + 5 ? end : NULL;
}

static bool is_temporary(const char *rest) {
  return strncmp(rest, ".tmp.", 5) == 0;
}

static bool is_shard(const char *name, uint32_t *number) {
  const char *rest = after_number(name, "shard-", number);
  return rest && strcmp(rest, ".h5") == 0;
}

// Half-written files of a build in DIR.
static bool is_left_over(const char *name) {
  uint32_t number;
  const char *rest = after_number(name, "shard-", &number);
  if (rest && strncmp(rest, ".h5", 3) == 0) return is_temporary(rest + 3);
  if (strncmp(name, "manifest.json", 13) == 0) return is_temporary(name + 13);
  return strncmp(name, "rejected.tsv", 12) == 0 && (!name[12] || is_temporary(name + 12));
}

static bool is_spill(const char *name) {
  unsigned attempt, rank, number;
  int end = 0;
  return sscanf(name, "spill-%u-%u-%u%n", &attempt, &rank, &number, &end) == 3 && !name[end] &&
         (size_t)end < TT_SPILL_NAME;
}

static bool is_state(const char *name) { // any file in DIR/building but build.json
  uint32_t number;
  const char *rest = after_number(name, "shard-", &number);
  return strncmp(name, "spill-", 6) == 0 || strcmp(name, "found.json") == 0 || strstr(name, ".tmp.") ||
         (rest && strcmp(rest, ".note") == 0);
}

// ---- folders
// --------------------------------------------------------------------------------------------------

// Calls `visit` for every name in a folder that is there.
static tt_status visit_all(const char *folder, tt_status (*visit)(void *context, const char *name),
                           void *context) {
  DIR *dir = opendir(folder);
  if (!dir) return tt_fail(TT_ERR_IO, "cannot read the folder %s: %s", folder, strerror(errno));
  tt_status status = TT_OK;
  for (struct dirent *e; status == TT_OK && (e = readdir(dir));) status = visit(context, e->d_name);
  closedir(dir);
  return status;
}

typedef struct {
  const char *folder;
  bool (*choose)(const void *context, const char *name);
  const void *context;
} removal;

static tt_status remove_one(void *context, const char *name) {
  const removal *r = context;
  char path[PATH_MAX + 300];
  if (!r->choose(r->context, name)) return TT_OK;
  snprintf(path, sizeof path, "%s/%s", r->folder, name);
  if (unlink(path) != 0 && errno != ENOENT)
    return tt_fail(TT_ERR_IO, "cannot remove %s, left by an unfinished build: %s", path, strerror(errno));
  return TT_OK;
}

static tt_status remove_some(const char *folder, bool (*choose)(const void *, const char *),
                             const void *context) {
  removal r = {folder, choose, context};
  return visit_all(folder, remove_one, &r);
}

static bool half_written(const void *context, const char *name) {
  (void)context;
  return is_left_over(name);
}

static bool temporary_state(const void *context, const char *name) {
  (void)context;
  return strstr(name, ".tmp.") != NULL;
}

static bool any_state(const void *context, const char *name) {
  (void)context;
  return is_state(name);
}

typedef struct {
  const uint8_t *done;
  uint32_t shards;
} finished_shards;

typedef struct {
  uint8_t *there;
  uint32_t shards;
} note_list;

static bool is_note(const char *name, uint32_t *number) {
  const char *rest = after_number(name, "shard-", number);
  return rest && strcmp(rest, ".note") == 0;
}

static tt_status mark_note(void *context, const char *name) {
  const note_list *list = context;
  uint32_t number;
  if (is_note(name, &number) && number < list->shards) list->there[number] = 1;
  return TT_OK;
}

tt_status tt_building_notes(const tt_building *b, uint8_t *there, uint32_t shards) {
  return visit_all(b->path, mark_note, &(note_list){there, shards});
}

static bool shard_without_note(const void *context, const char *name) {
  const finished_shards *f = context;
  uint32_t number;
  return is_shard(name, &number) && (number >= f->shards || !f->done[number]);
}

tt_status tt_building_clear_shards(const tt_building *b, const uint8_t *done, uint32_t shards) {
  return remove_some(b->folder, shard_without_note, &(finished_shards){done, shards});
}

tt_status tt_building_remove(const tt_building *b) {
  char path[PATH_MAX + 32];
  if (!tt_file_exists(b->path)) return TT_OK;
  TT_TRY(remove_some(b->path, any_state, NULL));
  tt_building_file(b, "build.json", path, sizeof path);
  if ((unlink(path) != 0 && errno != ENOENT) || rmdir(b->path) != 0)
    return tt_fail(TT_ERR_IO, "cannot remove %s: %s", b->path, strerror(errno));
  return TT_OK;
}

static tt_status note_progress(void *context, const char *name) {
  uint32_t number;
  if (is_spill(name) || is_note(name, &number)) *(bool *)context = true;
  return TT_OK;
}

void tt_building_remove_if_bare(const tt_building *b) {
  bool progress = false;
  if (visit_all(b->path, note_progress, &progress) == TT_OK && !progress) tt_building_remove(b);
}

// ---- which build it is
// --------------------------------------------------------------------------------------------------

__attribute__((format(printf, 3, 4))) static void say(json_t *identity, const char *name, const char *format,
                                                      ...) {
  char text[256];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  json_object_set_new(identity, name, json_string(text));
}

// A name for any path: what is no ASCII text as \xHH, for JSON takes UTF-8 only and a path may be anything.
static void name_input(const char *path, char *name, size_t size) {
  size_t at = (size_t)snprintf(name, size, "input ");
  for (const char *p = path; *p && at + 5 < size; p++)
    at += (size_t)snprintf(name + at, size - at, *p >= ' ' && *p < 127 ? "%c" : "\\x%02X", (unsigned char)*p);
}

// All that the store's bytes depend on, and the names of the inputs, which rejected.tsv has. As a text each,
// under a name that a user knows.
static tt_status make_identity(const tt_build_options *o, const tt_build_file *files, json_t **identity) {
  const tt_chem_recipe *r = &o->recipe;
  static const char *const kinds[] = {
      [TT_INPUT_SMILES] = "SMILES", [TT_INPUT_SDF] = "SDF", [TT_INPUT_XYZ] = "XYZ", [TT_INPUT_LMDB] = "LMDB"};
  json_t *j = *identity = json_object();
  say(j, "the program", "%s", tt_version());
  say(j, "the form of DIR/building", "1, notes of %zu bytes", sizeof(tt_shard_note));
  say(j, "the toolkit", "%s", tt_chem_toolkit());
  say(j, "--seed", "%" PRIu64, o->seed);
  say(j, "--valid-fraction", "%.17g", o->valid_fraction);
  say(j, "--shards", "%u", o->shards);
  say(j, "--conformers", "%d", r->conformers);
  say(j, "--max-atoms", "%d", r->max_atoms);
  say(j, "--keep-hydrogens", "%s", r->hydrogens ? "yes" : "no");
  say(j, "--coordinates-2d", "%s", r->coordinates_2d ? "yes" : "no");
  say(j, "limits of the conformers", "%d, %d", r->embed_iterations, r->optimise_iterations);
  say(j, "the number of inputs", "%d", o->file_count);
  for (int k = 0; k < o->file_count; k++) {
    struct stat s;
    char name[4 * PATH_MAX + 16];
    if (stat(files[k].path, &s) != 0)
      return tt_fail(TT_ERR_IO, "cannot read %s: %s", files[k].path, strerror(errno));
    name_input(files[k].path, name, sizeof name);
    say(j, name, "%s of %lld bytes, changed at %lld.%09ld", kinds[files[k].kind], (long long)s.st_size,
        (long long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
  }
  return j ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory: what the build is");
}

static tt_status tag_of(const json_t *identity, uint64_t *tag) {
  char *text = json_dumps(identity, JSON_COMPACT | JSON_SORT_KEYS);
  if (!text) return tt_fail(TT_ERR_MEMORY, "out of memory: what the build is");
  tt_digest digest = tt_digest_of(text, strlen(text));
  free(text);
  digest.text[16] = 0;
  *tag = strtoull(digest.text, NULL, 16);
  return TT_OK;
}

// The first thing in which two identities differ; false: there is none.
static bool differ(const json_t *before, json_t *now, char *text, size_t size) {
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)before, name, value) {
    const json_t *other = json_object_get(now, name);
    if (json_equal(value, other)) continue;
    const char *was = json_string_value(value), *is = json_string_value(other);
    snprintf(text, size, "%s was %s, is now %s", name, was ? was : "something else", is ? is : "not given");
    return true;
  }
  json_object_foreach(now, name, value) if (!json_object_get(before, name)) {
    snprintf(text, size, "it has no %s", name);
    return true;
  }
  return false;
}

static tt_status compare(const tt_building *b, const json_t *before, json_t *now) {
  char difference[PATH_MAX + 600];
  if (!differ(before, now, difference, sizeof difference)) return TT_OK;
  return tt_fail(
      TT_ERR_ARGUMENT,
      "%s holds the beginnings of another build: %s; give that build's inputs and options to go on "
      "with it, or remove the folder to begin anew",
      b->folder, difference);
}

// build.json; *root is NULL when there is none.
static tt_status read_build(const tt_building *b, json_t **root) {
  char path[PATH_MAX + 32], *text;
  size_t bytes;
  *root = NULL;
  tt_building_file(b, "build.json", path, sizeof path);
  if (!tt_file_exists(path)) return TT_OK;
  TT_TRY(tt_file_read(path, &text, &bytes));
  *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
  free(text);
  if (!*root || !json_is_object(json_object_get(*root, "build")) ||
      json_integer_value(json_object_get(*root, "attempt")) < 1) {
    json_decref(*root), *root = NULL;
    return tt_fail(TT_ERR_CORRUPT, "%s is damaged; remove %s to begin the build anew", path, b->folder);
  }
  return TT_OK;
}

static tt_status write_json(const tt_building *b, const char *name, json_t *root) {
  char path[PATH_MAX + 32];
  tt_building_file(b, name, path, sizeof path);
  char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
  json_decref(root);
  if (!text) return tt_fail(TT_ERR_MEMORY, "out of memory: %s", path);
  tt_status status = tt_file_replace(path, text, strlen(text));
  free(text);
  return status;
}

// A build writes build.json before its first shard: this one is of a store that has lost its manifest.
static tt_status refuse_shard(void *context, const char *name) {
  const tt_building *b = context;
  uint32_t number;
  if (!is_shard(name, &number)) return TT_OK;
  return tt_fail(TT_ERR_ARGUMENT,
                 "%s holds %s but neither a manifest nor an unfinished build: restore manifest.json from a "
                 "copy, remove the folder, or name another with --out",
                 b->folder, name);
}

static tt_status begin(tt_building *b) {
  char origin[PATH_MAX + 32];
  snprintf(origin, sizeof origin, "%s/origin.json", b->folder);
  if (tt_file_exists(origin))
    return tt_fail(
        TT_ERR_ARGUMENT,
        "%s holds an unfinished store that is made from other stores; finish it, remove the folder, or "
        "name another with --out",
        b->folder);
  TT_TRY(visit_all(b->folder, refuse_shard, b));
  TT_TRY(tt_make_directories(b->path));
  // without build.json nothing here counts
  TT_TRY(remove_some(b->path, any_state, NULL));
  return remove_some(b->folder, half_written, NULL);
}

static tt_status go_on(tt_building *b, const json_t *root, json_t *identity) {
  TT_TRY(compare(b, json_object_get(root, "build"), identity));
  b->attempt = (uint32_t)json_integer_value(json_object_get(root, "attempt"));
  TT_TRY(remove_some(b->path, temporary_state, NULL));
  return remove_some(b->folder, half_written, NULL);
}

static tt_status prepare(tt_building *b, const tt_build_options *options, const tt_build_file *files,
                         json_t **identity) {
  *b = (tt_building){0};
  *identity = NULL;
  if (snprintf(b->folder, sizeof b->folder, "%s", options->folder) >= (int)sizeof b->folder - 300)
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", options->folder);
  snprintf(b->path, sizeof b->path, "%s/building", b->folder);
  TT_TRY(make_identity(options, files, identity));
  return tag_of(*identity, &b->tag);
}

tt_status tt_building_open(tt_building *b, const tt_build_options *options, const tt_build_file *files) {
  json_t *identity, *root = NULL;
  tt_status status = prepare(b, options, files, &identity);
  if (status == TT_OK) status = read_build(b, &root);
  if (status == TT_OK) status = root ? go_on(b, root, identity) : begin(b);
  if (status == TT_OK) {
    b->attempt++;
    status = write_json(b, "build.json",
                        json_pack("{s:s, s:i, s:O}", "format", "twotrack build under way", "attempt",
                                  (int)b->attempt, "build", identity));
  }
  json_decref(root), json_decref(identity);
  return status;
}

tt_status tt_building_check_inputs(const tt_building *b, const tt_build_options *options,
                                   const tt_build_file *files) {
  json_t *identity, *root = NULL;
  tt_status status = make_identity(options, files, &identity);
  if (status == TT_OK) status = read_build(b, &root);
  char difference[PATH_MAX + 600];
  if (status == TT_OK && differ(json_object_get(root, "build"), identity, difference, sizeof difference))
    status = tt_fail(TT_ERR_ARGUMENT, "an input was changed while it was read: %s", difference);
  json_decref(root), json_decref(identity);
  return status;
}

tt_status tt_building_was_finished(const tt_build_options *options, const tt_build_file *files,
                                   bool *finished) {
  tt_building b;
  json_t *identity, *root = NULL;
  // where this fails, it is not the build of these inputs: the store that is there is told of
  tt_status status = prepare(&b, options, files, &identity);
  if (status == TT_OK) status = read_build(&b, &root);
  *finished = status == TT_OK && root && json_equal(json_object_get(root, "build"), identity);
  json_decref(root), json_decref(identity);
  return tt_building_remove(&b);
}

// ---- lists of spills
// --------------------------------------------------------------------------------------------------

typedef struct {
  tt_spill_name *names;
  size_t count, room;
} name_list;

static tt_status add_name(name_list *list, const char *name) {
  TT_TRY(tt_reserve(&list->names, &list->room, list->count + 1, sizeof *list->names, "the list of spills"));
  tt_spill_name *next = &list->names[list->count++];
  memset(next, 0, sizeof *next);
  memcpy(next->text, name, strnlen(name, sizeof next->text - 1));
  return TT_OK;
}

static tt_status add_if_spill(void *context, const char *name) {
  return is_spill(name) ? add_name(context, name) : TT_OK;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(a, b);
}

tt_status tt_building_spills(const tt_building *b, tt_spill_name **names, size_t *count) {
  name_list list = {0};
  tt_status status = visit_all(b->path, add_if_spill, &list);
  if (list.count) qsort(list.names, list.count, sizeof *list.names, compare_names);
  *names = list.names, *count = list.count;
  return status;
}

tt_status tt_building_write_found(const tt_building *b, const tt_spill_name *names, size_t count) {
  json_t *list = json_array();
  for (size_t k = 0; k < count; k++) json_array_append_new(list, json_string(names[k].text));
  return write_json(b, "found.json", json_pack("{s:I, s:o}", "count", (json_int_t)count, "spills", list));
}

tt_status tt_building_read_found(const tt_building *b, tt_spill_name **names, size_t *count, bool *there) {
  char path[PATH_MAX + 32], *text;
  size_t bytes, index;
  name_list list = {0};
  *there = false, *names = NULL, *count = 0;
  tt_building_file(b, "found.json", path, sizeof path);
  if (!tt_file_exists(path)) return TT_OK;
  TT_TRY(tt_file_read(path, &text, &bytes));
  json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL), *value;
  free(text);
  tt_status status = TT_OK;
  const json_t *all = json_object_get(root, "spills");
  bool sound = json_is_array(all) &&
               json_integer_value(json_object_get(root, "count")) == (json_int_t)json_array_size(all);
  json_array_foreach(all, index, value) {
    const char *name = json_string_value(value);
    sound = sound && name && is_spill(name);
    if (sound && status == TT_OK) status = add_name(&list, name);
  }
  json_decref(root);
  *there = sound && status == TT_OK;
  if (*there)
    *names = list.names, *count = list.count;
  else
    free(list.names);
  return status;
}

void tt_building_forget_found(const tt_building *b) {
  char path[PATH_MAX + 32];
  tt_building_file(b, "found.json", path, sizeof path);
  unlink(path);
}
