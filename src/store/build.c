#include "store/build.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/progress.h"
#include "store/canonical.h"
#include "store/claim.h"
#include "store/entries.h"

typedef struct {
  const tt_comm *comm;
  const tt_build_options *options;
  tt_build_file *files;
  const char **paths;
  tt_entry_list entries;
  tt_reject_list rejects;
  tt_shard_plan plan;
  tt_store_info info;
  const tt_entry **jobs;  // own entries, sorted
  uint64_t mine, all;     // molecules of this rank and of all ranks
  uint64_t done;          // of this rank's
  tt_shard_entry *shards; // own ones, in order
  uint32_t shard_count;
  tt_store_claim claim;
  tt_build_summary summary; // of this rank, until they are added up
  double begun;
} build;

// ---- first pass: files to entries
// ----------------------------------------------------------------------------

static tt_status take_record(build *b, uint32_t file, const tt_input_record *record) {
  tt_canonical c;
  tt_status status = tt_canonical_read(record, b->files[file].kind, &b->options->recipe, &c);
  if (status == TT_ERR_DATA)
    return tt_rejects_add(&b->rejects, file, record->number, record->name, record->name_length,
                          tt_error_message());
  uint64_t key = status == TT_OK ? tt_plan_key(c.smiles, b->options->seed) : 0;
  uint32_t entries = c.conformers ? c.conformers : 1;
  for (uint32_t k = 0; k < entries && status == TT_OK; k++)
    status = tt_entries_add(&b->entries, key, file, record->number, c.smiles,
                            c.coordinates ? c.coordinates + (size_t)k * c.atoms * 3 : NULL, c.atoms);
  tt_canonical_free(&c);
  return status;
}

// Rank 0 speaks for all: the records are dealt out evenly.
static void show_reading(const build *b, int64_t bytes, int64_t total) {
  double seconds = tt_now() - b->begun, rate = (double)bytes / seconds;
  tt_progress_show(&(tt_progress){.what = "reading",
                                  .counter = "MB",
                                  .unit = "records",
                                  .done = bytes >> 20,
                                  .total = (total >> 20) + 1,
                                  .rate = (double)b->summary.read / seconds,
                                  .seconds_left = (double)(total - bytes) / rate,
                                  .loss = NAN});
}

static tt_status read_file(build *b, uint32_t file, int64_t before, int64_t total) {
  tt_input *input;
  TT_TRY(tt_input_open(&input, b->files[file].path, b->files[file].kind));
  tt_status status = TT_OK;
  for (;;) {
    tt_input_record record;
    bool end;
    status = tt_input_next(input, &record, &end);
    if (status != TT_OK || end) break;
    // every rank reads all text, which is cheap, and works on its share of the records
    if (b->summary.read++ % (uint64_t)b->comm->size != (uint64_t)b->comm->rank) continue;
    status = take_record(b, file, &record);
    if (status != TT_OK) break;
    // a small input is read before anybody wants to know
    if (b->comm->rank == 0 && total > 1 << 20) show_reading(b, before + tt_input_position(input), total);
  }
  tt_input_close(input);
  return status;
}

static tt_status read_files(build *b) {
  int64_t total = 0, before = 0;
  for (int k = 0; k < b->options->file_count; k++) { // all of them, before any work is done
    tt_input *input;
    TT_TRY(tt_input_open(&input, b->files[k].path, b->files[k].kind));
    total += tt_input_size(input);
    tt_input_close(input);
  }
  for (int k = 0; k < b->options->file_count; k++) {
    TT_TRY(read_file(b, (uint32_t)k, before, total));
    struct stat s;
    if (stat(b->files[k].path, &s) == 0) before += s.st_size;
  }
  tt_progress_clear();
  return TT_OK;
}

static int compare_paths(const void *left, const void *right) {
  const tt_build_file *a = left, *b = right;
  int order = strcmp(a->path, b->path);
  return order ? order : (int)a->kind - (int)b->kind;
}

static tt_status prepare_files(build *b) {
  size_t n = (size_t)b->options->file_count;
  TT_TRY(tt_alloc(&b->files, n, sizeof *b->files, "the list of files"));
  TT_TRY(tt_alloc(&b->paths, n, sizeof *b->paths, "the list of files"));
  memcpy(b->files, b->options->files, n * sizeof *b->files);
  qsort(b->files, n, sizeof *b->files, compare_paths);
  for (size_t k = 0; k < n; k++) b->paths[k] = b->files[k].path;
  return TT_OK;
}

// ---- between the passes
// --------------------------------------------------------------------------------------

static tt_status sum(const tt_comm *comm, uint64_t *values, int count) {
  uint64_t *all;
  tt_status status = tt_alloc(&all, (size_t)count * (size_t)comm->size, sizeof *all, "sums over the ranks");
  TT_TRY(tt_comm_agree(comm, status));
  status = tt_comm_agree(comm, tt_comm_gather_all(comm, values, all, (size_t)count, sizeof *all));
  memset(values, 0, (size_t)count * sizeof *values);
  for (int k = 0; k < count * comm->size; k++) values[k % count] += all[k];
  free(all);
  return status;
}

static bool same_molecule(const tt_entry *a, const tt_entry *b) {
  return a->key == b->key && strcmp(tt_entry_smiles(a), tt_entry_smiles(b)) == 0;
}

static tt_status share_work(build *b) {
  uint64_t records = b->entries.count;
  TT_TRY(sum(b->comm, &records, 1));
  b->plan = tt_shard_plan_make(records, b->options->valid_fraction, b->options->shards);
  TT_TRY(tt_entries_share(b->comm, &b->plan, &b->entries));
  TT_TRY(tt_comm_agree(b->comm, tt_entries_sort(&b->plan, &b->entries, &b->jobs)));
  for (uint64_t k = 0; k < b->entries.count; k++)
    b->mine += k == 0 || !same_molecule(b->jobs[k - 1], b->jobs[k]);
  b->all = b->mine;
  return sum(b->comm, &b->all, 1);
}

static bool is_ours(const char *name) {
  unsigned number;
  int end = 0;
  if (sscanf(name, "shard-%5u.h5%n", &number, &end) == 1 && end == 14)
    name += end;
  else if (strncmp(name, "manifest.json.tmp.", 18) == 0)
    return true; // never the manifest itself
  else if (strncmp(name, "rejected.tsv", 12) == 0)
    name += 12;
  else
    return false;
  return !*name || strncmp(name, ".tmp.", 5) == 0;
}

// Removes what a build that did not finish has left: our own files only.
static tt_status clear_folder(const char *folder) {
  DIR *dir = opendir(folder);
  if (!dir) return tt_fail(TT_ERR_IO, "cannot read the folder %s: %s", folder, strerror(errno));
  tt_status status = TT_OK;
  for (struct dirent *e; status == TT_OK && (e = readdir(dir));) {
    char path[PATH_MAX];
    if (!is_ours(e->d_name)) continue;
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (unlink(path) != 0 && errno != ENOENT)
      status = tt_fail(TT_ERR_IO, "cannot remove %s, left by an unfinished build: %s", path, strerror(errno));
  }
  closedir(dir);
  return status;
}

static tt_status prepare_folder(build *b) {
  if (b->comm->rank != 0) return TT_OK;
  TT_TRY(tt_store_claim_take(&b->claim, b->options->folder));
  return clear_folder(b->options->folder);
}

static tt_status remove_results(const build *b, tt_status status) {
  char message[1024];
  snprintf(message, sizeof message, "%s", tt_error_message());
  if (b->comm->rank == 0) {
    clear_folder(b->options->folder);
    if (b->claim.made_folder) rmdir(b->options->folder);
  }
  return tt_fail(status, "%s", message);
}

// ---- second pass: entries to shards
// --------------------------------------------------------------------------

static void show_making(build *b, uint64_t done) {
  double seconds = tt_now() - b->begun, rate = (double)done / seconds;
  tt_progress_show(&(tt_progress){.what = "building",
                                  .unit = "molecules",
                                  .done = (int64_t)done,
                                  .total = (int64_t)b->all,
                                  .rate = rate,
                                  .seconds_left = (double)(b->all - done) / rate,
                                  .loss = NAN});
}

// The distinct geometries of `count` entries of one molecule, which lie side by side when equal.
static tt_status make_given(build *b, const tt_entry *const *same, uint64_t count, tt_chem_record *record) {
  uint32_t atoms = same[0]->atoms, conformers = 0;
  size_t size = 3 * (size_t)atoms;
  float *xyz;
  TT_TRY(tt_alloc(&xyz, count * size, sizeof *xyz, "the conformers of a molecule"));
  for (uint64_t k = 0; k < count && same[k]->atoms == atoms; k++) {
    const float *next = tt_entry_coordinates(same[k]);
    if (conformers && memcmp(xyz + (conformers - 1) * size, next, size * sizeof *xyz) == 0) continue;
    memcpy(xyz + conformers++ * size, next, size * sizeof *xyz);
  }
  tt_status status =
      tt_chem_make_given(record, tt_entry_smiles(same[0]), &b->options->recipe, xyz, conformers, atoms);
  free(xyz);
  return status;
}

// The record of one molecule from its `count` entries; *used tells if it could be made.
static tt_status make_record(build *b, const tt_entry *const *same, uint64_t count, tt_chem_record *record,
                             bool *used) {
  const char *smiles = tt_entry_smiles(same[0]);
  tt_status status = same[0]->atoms
                         ? make_given(b, same, count, record)
                         : tt_chem_make(record, smiles, &b->options->recipe, tt_mix64(same[0]->key));
  *used = status == TT_OK;
  if (status == TT_OK) {
    record->molecule.key = same[0]->key;
    b->summary.merged += count - 1;
    b->summary.molecules[tt_plan_split(&b->plan, same[0]->key)]++;
    b->summary.conformers += record->molecule.conformers;
    b->summary.geometry[record->geometry]++;
    return TT_OK;
  }
  if (status != TT_ERR_DATA) return status;
  char reason[1024];
  snprintf(reason, sizeof reason, "%s", tt_error_message());
  for (uint64_t k = 0; k < count; k++)
    TT_TRY(tt_rejects_add(&b->rejects, same[k]->file, same[k]->number, smiles,
                          strlen(smiles) < 200 ? strlen(smiles) : 200, reason));
  return TT_OK;
}

static tt_status write_records(build *b, uint32_t number, const tt_chem_record *records, uint64_t count) {
  tt_molecule *molecules;
  TT_TRY(tt_alloc(&molecules, count, sizeof *molecules, "the molecules of a shard"));
  for (uint64_t k = 0; k < count; k++) molecules[k] = records[k].molecule;
  tt_split split = number < b->plan.shards[TT_TRAIN] ? TT_TRAIN : TT_VALID;
  tt_status status = tt_shard_write(b->options->folder, number, split, &b->info, molecules, count,
                                    &b->shards[b->shard_count]);
  b->shard_count += status == TT_OK;
  free(molecules);
  return status;
}

// Makes shard `number` of the entries jobs[first .. last-1].
static tt_status make_shard(build *b, uint32_t number, uint64_t first, uint64_t last) {
  tt_chem_record *records;
  uint64_t count = 0;
  TT_TRY(tt_alloc(&records, last - first, sizeof *records, "the records of a shard"));
  tt_status status = TT_OK;
  for (uint64_t k = first, next; k < last && status == TT_OK; k = next) {
    for (next = k + 1; next < last && same_molecule(b->jobs[k], b->jobs[next]);) next++;
    bool used;
    status = make_record(b, b->jobs + k, next - k, &records[count], &used);
    count += used;
    b->done++;
    // rank 0 speaks for all, who have shares of the same size; the end is the end of the slowest
    uint64_t all = b->done * b->all / b->mine;
    if (b->comm->rank == 0) show_making(b, all < b->all ? all : b->all - 1);
  }
  if (status == TT_OK) status = write_records(b, number, records, count);
  for (uint64_t k = 0; k < count; k++) tt_chem_record_free(&records[k]);
  free(records);
  return status;
}

static tt_status make_shards(build *b) {
  uint32_t total = b->plan.shards[TT_TRAIN] + b->plan.shards[TT_VALID], ranks = (uint32_t)b->comm->size;
  TT_TRY(tt_alloc(&b->shards, total / ranks + 1, sizeof *b->shards, "the list of shards"));
  uint64_t first = 0;
  for (uint32_t number = (uint32_t)b->comm->rank; number < total; number += ranks) {
    uint64_t last = first;
    while (last < b->entries.count && tt_plan_shard(&b->plan, b->jobs[last]->key) == number) last++;
    TT_TRY(make_shard(b, number, first, last));
    first = last;
  }
  return TT_OK;
}

// ---- the end
// -------------------------------------------------------------------------------------------------

static tt_status add_up(build *b) {
  tt_build_summary *s = &b->summary;
  uint64_t values[4 + TT_GEOMETRY_ETKDG + 1] = {s->merged, s->molecules[0], s->molecules[1], s->conformers};
  for (int g = 0; g <= TT_GEOMETRY_ETKDG; g++) values[4 + g] = s->geometry[g];
  TT_TRY(sum(b->comm, values, sizeof values / sizeof *values));
  s->merged = values[0], s->molecules[0] = values[1], s->molecules[1] = values[2], s->conformers = values[3];
  for (int g = 0; g <= TT_GEOMETRY_ETKDG; g++) s->geometry[g] = values[4 + g];
  s->shards = b->plan.shards[TT_TRAIN] + b->plan.shards[TT_VALID];
  s->rejected = b->rejects.count;
  tt_rejects_tally(&b->rejects, s->kinds);
  s->seconds = tt_now() - b->begun;
  return TT_OK;
}

static tt_status nothing_left(const build *b) {
  char first[512];
  tt_rejects_first(&b->rejects, b->paths, first, sizeof first);
  return tt_fail(TT_ERR_DATA, "nothing to train on: of %llu records read, %llu cannot be used%s%s%s",
                 (unsigned long long)b->summary.read, (unsigned long long)b->rejects.count,
                 *first ? "; the first is " : "", first,
                 b->summary.molecules[TT_VALID] ? "; all molecules left fell to validation (--valid-fraction)"
                                                : "");
}

// Brings the ranks' shard entries to rank 0, which writes the manifest. Rank r made shards r, r + ranks, ...
static tt_status write_manifest(build *b) {
  size_t ranks = (size_t)b->comm->size;
  int64_t *table;
  void *received = NULL;
  tt_shard_entry *ordered = NULL;
  TT_TRY(tt_comm_agree(b->comm, tt_alloc(&table, 2 * ranks, sizeof *table, "tables of the ranks")));
  table[0] = (int64_t)(b->shard_count * sizeof *b->shards);
  tt_status status =
      tt_comm_agree(b->comm, tt_comm_exchange(b->comm, b->shards, table, &received, table + ranks));
  if (status == TT_OK && b->comm->rank == 0) {
    status = tt_alloc(&ordered, b->summary.shards, sizeof *ordered, "the list of shards");
    const char *from = received;
    for (size_t r = 0; status == TT_OK && r < ranks; r++)
      for (size_t k = r; k < b->summary.shards; k += ranks, from += sizeof *ordered)
        memcpy(&ordered[k], from, sizeof *ordered);
    if (status == TT_OK) status = tt_manifest_write(b->options->folder, &b->info, ordered, b->summary.shards);
  }
  free(table), free(received), free(ordered);
  return tt_comm_agree(b->comm, status);
}

static tt_status write_rejects(const build *b) {
  if (b->comm->rank != 0) return TT_OK;
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/rejected.tsv", b->options->folder);
  return tt_rejects_write(&b->rejects, b->paths, path);
}

static void describe(build *b) {
  const tt_build_options *o = b->options;
  const tt_chem_recipe *r = &o->recipe;
  b->info = (tt_store_info){.hydrogens = r->hydrogens, .coordinates_2d = r->coordinates_2d, .seed = o->seed};
  snprintf(b->info.toolkit, sizeof b->info.toolkit, "%s", tt_chem_toolkit());
  bool any[] = {[TT_INPUT_SMILES] = false, [TT_INPUT_SDF] = false, [TT_INPUT_LMDB] = false};
  for (int k = 0; k < o->file_count; k++) any[o->files[k].kind] = true;
  char generated[200] = "";
  if (any[TT_INPUT_SMILES])
    snprintf(
        generated, sizeof generated,
        "SMILES: ETKDGv3 with hydrogens, conformers %d, attempts %d and as many from random coordinates; "
        "MMFF94, else UFF, steps %d",
        r->conformers, r->embed_iterations, r->optimise_iterations);
  snprintf(b->info.recipe, sizeof b->info.recipe, "%s%s%s%s%s", generated,
           *generated && any[TT_INPUT_SDF] ? "; " : "",
           any[TT_INPUT_SDF] ? "SDF: coordinates of the file" : "",
           any[TT_INPUT_LMDB] && (*generated || any[TT_INPUT_SDF]) ? "; " : "",
           any[TT_INPUT_LMDB] ? "LMDB: coordinates of the file" : "");
}

static tt_status run(build *b) {
  const tt_comm *comm = b->comm;
  if (!tt_chem_toolkit()) // the absent chem room words the message
    return tt_comm_agree(comm, tt_chem_canonical("C", 1, &b->options->recipe, &(char *){NULL}));
  TT_TRY(tt_comm_agree(comm, prepare_files(b)));
  TT_TRY(tt_comm_agree(comm, read_files(b)));
  TT_TRY(share_work(b));
  if (b->all == 0) {
    TT_TRY(tt_rejects_gather(comm, &b->rejects));
    return tt_comm_agree(comm, comm->rank == 0 ? nothing_left(b) : TT_OK);
  }
  describe(b);
  TT_TRY(tt_comm_agree(comm, prepare_folder(b)));
  // the others cannot know of a failure before they are done, which may take hours: it ends the job
  if (make_shards(b) != TT_OK) {
    if (comm->size == 1) remove_results(b, TT_ERR_IO);
    tt_comm_abort(comm);
  }
  TT_TRY(tt_rejects_gather(comm, &b->rejects));
  TT_TRY(add_up(b));
  if (comm->rank == 0) show_making(b, b->all);
  tt_status status = TT_OK;
  if (b->summary.molecules[TT_TRAIN] == 0)
    status = comm->rank == 0 ? nothing_left(b) : TT_OK;
  else
    status = write_rejects(b);
  status = tt_comm_agree(comm, status);
  if (status == TT_OK) status = write_manifest(b);
  return status == TT_OK ? TT_OK : remove_results(b, status);
}

tt_status tt_store_build(const tt_comm *comm, const tt_build_options *options, tt_build_summary *summary) {
  build b = {.comm = comm, .options = options, .begun = tt_now(), .claim = TT_STORE_NO_CLAIM};
  tt_status status = run(&b);
  *summary = b.summary;
  tt_store_claim_release(&b.claim);
  tt_entries_free(&b.entries);
  tt_rejects_free(&b.rejects);
  free(b.files), free(b.paths), free(b.jobs), free(b.shards);
  return status;
}
