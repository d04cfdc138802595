// The second pass: spills to shards, each with a note that it is finished.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/progress.h"
#include "building/build_parts.h"
#include "building/note.h"
#include "store/schema.h"

typedef struct {
  tt_build *b;
  uint8_t *finished;   // (shards) before this start
  uint32_t to_do, own; // shards: of all ranks, of this one
  uint64_t before;     // entries in finished shards
  uint64_t done;       // entries dealt with by this rank
  double begun;
  // of the shard in hand
  tt_entry_list entries;
  tt_shard_note note;
  tt_reject_list rejects;
} making;

// Rank 0 speaks for all, who have shares of the same size; the end is the end of the slowest.
static void show(const making *m) {
  uint64_t to_do = m->b->entries - m->before;
  double share = (double)m->own / m->to_do, all = fmin((double)m->done / share, (double)to_do - 1);
  double rate = all / (tt_now() - m->begun);
  tt_progress_show(&(tt_progress){.what = "building",
                                  .unit = "molecules",
                                  .done = (int64_t)m->before + (int64_t)all,
                                  .total = (int64_t)m->b->entries,
                                  .rate = rate,
                                  .seconds_left = ((double)to_do - all) / rate,
                                  .loss = NAN});
}

// ---- a molecule
// --------------------------------------------------------------------------------------------------

static int compare_geometries(const void *left, const void *right, void *size) {
  const float *a, *b;
  memcpy(&a, left, sizeof a), memcpy(&b, right, sizeof b);
  return memcmp(a, b, *(const size_t *)size);
}

// The distinct geometries of `count` entries of one molecule, in the order of their bytes: (conformers,
// atoms, 3), for which *xyz has room.
static tt_status unite(const tt_entry *const *same, uint64_t count, float **xyz, uint32_t *conformers) {
  size_t size = (size_t)3 * same[0]->atoms * sizeof(float), all = 0;
  const float **geometries;
  for (uint64_t k = 0; k < count; k++) all += same[k]->atoms == same[0]->atoms ? same[k]->conformers : 0;
  TT_TRY(tt_alloc(&geometries, all, sizeof *geometries, "the conformers of a molecule"));
  tt_status status = tt_alloc(xyz, all, size, "the conformers of a molecule");
  size_t n = 0;
  for (uint64_t k = 0; k < count && same[k]->atoms == same[0]->atoms; k++)
    for (uint32_t c = 0; c < same[k]->conformers; c++)
      geometries[n++] = tt_entry_coordinates(same[k]) + (size_t)c * 3 * same[k]->atoms;
  qsort_r(geometries, n, sizeof *geometries, compare_geometries, &size);
  *conformers = 0;
  for (size_t k = 0; status == TT_OK && k < n; k++)
    if (k == 0 || memcmp(geometries[k - 1], geometries[k], size) != 0)
      memcpy((char *)*xyz + (*conformers)++ * size, geometries[k], size);
  free(geometries);
  return status;
}

static tt_status make_molecule(const tt_build_options *o, const tt_entry *const *same, uint64_t count,
                               tt_chem_record *record) {
  const char *smiles = tt_entry_smiles(same[0]);
  if (!same[0]->atoms) return tt_chem_make(record, smiles, &o->recipe, tt_mix64(same[0]->key));
  float *xyz = NULL;
  uint32_t conformers;
  tt_status status = unite(same, count, &xyz, &conformers);
  if (status == TT_OK)
    status = tt_chem_make_given(record, smiles, &o->recipe, xyz, conformers, same[0]->atoms);
  free(xyz);
  return status;
}

// The record of one molecule from its `count` entries; *used tells if it could be made.
static tt_status take_molecule(making *m, const tt_entry *const *same, uint64_t count, tt_chem_record *record,
                               bool *used) {
  const tt_build_options *o = m->b->options;
  const char *smiles = tt_entry_smiles(same[0]), *fault = NULL;
  tt_status status = make_molecule(o, same, count, record);
  if (status == TT_OK) {
    record->molecule.key = same[0]->key;
    fault = tt_molecule_fault(&record->molecule, o->recipe.coordinates_2d);
    if (fault) tt_chem_record_free(record), status = tt_fail(TT_ERR_DATA, "limits: %s", fault);
  }
  *used = status == TT_OK;
  m->done += count;
  if (status == TT_OK) {
    m->note.merged += count - 1;
    m->note.geometry[record->geometry]++;
    return TT_OK;
  }
  if (status != TT_ERR_DATA) return status;
  char reason[1024];
  snprintf(reason, sizeof reason, "%s", tt_error_message());
  for (uint64_t k = 0; k < count; k++)
    TT_TRY(tt_rejects_add(&m->rejects, same[k]->file, same[k]->number, smiles,
                          strlen(smiles) < 200 ? strlen(smiles) : 200, reason));
  return TT_OK;
}

// ---- a shard
// --------------------------------------------------------------------------------------------------

static tt_status gather(making *m, uint32_t number) {
  const tt_build *b = m->b;
  uint64_t first, last;
  m->entries.used = 0, m->entries.count = 0;
  tt_plan_keys(&b->plan, number, &first, &last);
  for (size_t k = 0; k < b->spill_count; k++)
    TT_TRY(
        tt_build_drop_damaged(&b->spills[k], tt_spill_range(&b->spills[k], tt_plan_split_of(&b->plan, number),
                                                            first, last, &m->entries)));
  return TT_OK;
}

static tt_status write_shard(making *m, uint32_t number, const tt_chem_record *records, uint64_t count) {
  const tt_build *b = m->b;
  tt_molecule *molecules;
  char path[PATH_MAX + 64];
  TT_TRY(tt_alloc(&molecules, count, sizeof *molecules, "the molecules of a shard"));
  for (uint64_t k = 0; k < count; k++) molecules[k] = records[k].molecule;
  tt_status status = tt_shard_write(b->options->folder, number, tt_plan_split_of(&b->plan, number), &b->info,
                                    molecules, count, &m->note.shard);
  free(molecules);
  if (status == TT_OK) status = tt_rejects_sort(&m->rejects);
  tt_building_note(&b->building, number, path, sizeof path);
  if (status == TT_OK) status = tt_note_write(path, b->building.tag, &m->note, &m->rejects);
  return tt_build_can_go_on(status);
}

static tt_status make_shard(making *m, uint32_t number) {
  const tt_entry **jobs = NULL;
  tt_chem_record *records = NULL;
  uint64_t count = 0;
  m->rejects.used = 0, m->rejects.count = 0;
  TT_TRY(gather(m, number));
  uint64_t entries = m->entries.count;
  m->note = (tt_shard_note){.entries = entries};
  tt_status status = tt_entries_sort(&m->b->plan, &m->entries, &jobs);
  if (status == TT_OK) status = tt_alloc(&records, entries, sizeof *records, "the records of a shard");
  for (uint64_t k = 0, next; k < entries && status == TT_OK; k = next) {
    for (next = k + 1; next < entries && tt_entries_same_molecule(jobs[k], jobs[next]);) next++;
    bool used;
    status = take_molecule(m, jobs + k, next - k, &records[count], &used);
    count += used;
    if (m->b->comm->rank == 0) show(m);
  }
  if (status == TT_OK) status = write_shard(m, number, records, count);
  for (uint64_t k = 0; k < count; k++) tt_chem_record_free(&records[k]);
  free(records), free(jobs);
  return status;
}

// ---- all shards
// --------------------------------------------------------------------------------------------------

// A shard that has a note is finished when its file has the size that the note says.
static bool is_finished(making *m, uint32_t number) {
  const tt_build *b = m->b;
  char path[PATH_MAX + 64];
  tt_shard_note note;
  struct stat s;
  tt_building_note(&b->building, number, path, sizeof path);
  if (tt_note_read(path, b->building.tag, (uint32_t)b->options->file_count, &note, NULL) != TT_OK)
    return false;
  snprintf(path, sizeof path, "%s/%s", b->options->folder, note.shard.file);
  if (stat(path, &s) != 0 || (uint64_t)s.st_size != note.shard.bytes) return false;
  m->before += note.entries;
  m->b->summary.molecules_before += note.shard.records;
  m->b->summary.shards_before++;
  return true;
}

// Rank 0 looks what is finished, all get to know.
static tt_status look(making *m) {
  const tt_build *b = m->b;
  uint32_t shards = tt_plan_shards(&b->plan);
  tt_status status = tt_alloc(&m->finished, shards, sizeof *m->finished, "the list of shards");
  TT_TRY(tt_comm_agree(b->comm, status));
  if (b->comm->rank == 0) {
    status = tt_building_notes(&b->building, m->finished, shards);
    for (uint32_t k = 0; k < shards; k++) m->finished[k] = m->finished[k] && is_finished(m, k);
    if (status == TT_OK) status = tt_building_clear_shards(&b->building, m->finished, shards);
  }
  TT_TRY(tt_comm_agree(b->comm, status));
  TT_TRY(tt_comm_broadcast(b->comm, m->finished, shards * sizeof *m->finished, 0));
  for (uint32_t k = 0; k < shards; k++)
    if (!m->finished[k]) m->own += m->to_do++ % (uint32_t)b->comm->size == (uint32_t)b->comm->rank;
  return TT_OK;
}

static tt_status make_own(making *m) {
  const tt_comm *comm = m->b->comm;
  uint32_t place = 0;
  for (uint32_t k = 0; k < tt_plan_shards(&m->b->plan); k++)
    if (!m->finished[k] && place++ % (uint32_t)comm->size == (uint32_t)comm->rank) TT_TRY(make_shard(m, k));
  return TT_OK;
}

tt_status tt_build_make(tt_build *b) {
  making m = {.b = b, .begun = tt_now()};
  tt_status status = look(&m);
  if (status == TT_OK) {
    status = make_own(&m);
    if (status != TT_OK && b->comm->size > 1) tt_comm_abort(b->comm);
    status = tt_comm_agree(b->comm, status); // and the end of all
  }
  if (status == TT_OK && b->comm->rank == 0 && m.to_do) // all of it
    tt_progress_show(&(tt_progress){.what = "building",
                                    .unit = "molecules",
                                    .done = (int64_t)b->entries,
                                    .total = (int64_t)b->entries,
                                    .rate = (double)(b->entries - m.before) / (tt_now() - m.begun),
                                    .seconds_left = 0,
                                    .loss = NAN});
  tt_entries_free(&m.entries), tt_rejects_free(&m.rejects);
  free(m.finished);
  return status;
}
