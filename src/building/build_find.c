// The first pass: records of the inputs to spills.
//
// Every rank reads all text, which is cheap, and works on its share of the blocks. What is in spills already
// is passed over. Nobody waits for anybody before the end, but for a rank that fails the others stop early.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/progress.h"
#include "building/blocks.h"
#include "building/build_parts.h"
#include "input/canonical.h"

enum { SPILL_SECONDS = 600 }; // what a killed rank can lose

typedef struct {
  tt_build *b;
  tt_block_set done;
  tt_spill_content content;
  uint32_t spills; // written by this rank
  double last_spill;
  int64_t total, before, passed; // bytes: of all files, of the files before this one, passed over
  uint64_t read;                 // by this rank
  bool called_off;               // another rank has failed
} finding;

// ---- spills that are there
// --------------------------------------------------------------------------------------------------

static tt_status open_spill(const tt_build *b, const tt_spill_name *name, tt_spill *spill) {
  char path[PATH_MAX + 64];
  tt_building_file(&b->building, name->text, path, sizeof path);
  return tt_spill_open(spill, path, b->building.tag, (uint32_t)b->options->file_count);
}

// Adds a spill's blocks to those that are done. TT_ERR_CORRUPT also when another spill has one of them.
static tt_status add_blocks(finding *f, const tt_spill_name *name) {
  tt_spill spill;
  tt_block *blocks = NULL;
  TT_TRY(open_spill(f->b, name, &spill));
  tt_status status = tt_spill_blocks(&spill, &blocks);
  for (uint64_t k = 0; status == TT_OK && k < spill.blocks; k++)
    if (tt_blocks_has(&f->done, blocks[k].file, blocks[k].block))
      status = tt_fail(TT_ERR_CORRUPT, "%s has records that another one has", spill.path);
  for (uint64_t k = 0; status == TT_OK && k < spill.blocks; k++)
    status = tt_blocks_add(&f->done, blocks[k].file, blocks[k].block);
  free(blocks);
  tt_spill_close(&spill);
  return status;
}

static bool all_open(const tt_build *b, const tt_spill_name *names, size_t count) {
  for (size_t k = 0; k < count; k++) {
    tt_spill spill;
    if (open_spill(b, &names[k], &spill) != TT_OK) return false;
    tt_spill_close(&spill);
  }
  return true;
}

// Those that can be used. Damaged ones go; so do those that a rank of a killed job wrote after another job
// had looked, which has read their records again.
static tt_status look_for_spills(finding *f, tt_spill_name **names, size_t *count) {
  size_t kept = 0;
  TT_TRY(tt_building_spills(&f->b->building, names, count));
  for (size_t k = 0; k < *count; k++) {
    tt_status status = add_blocks(f, &(*names)[k]);
    char path[PATH_MAX + 64];
    tt_building_file(&f->b->building, (*names)[k].text, path, sizeof path);
    if (status == TT_ERR_CORRUPT)
      unlink(path);
    else if (status != TT_OK)
      return status;
    else
      (*names)[kept++] = (*names)[k];
  }
  *count = kept;
  return TT_OK;
}

// Rank 0 looks, all get the names.
static tt_status list_spills(finding *f, tt_spill_name **names, size_t *count, bool *complete) {
  const tt_build *b = f->b;
  tt_status status = TT_OK;
  *names = NULL, *count = 0;
  struct {
    uint64_t count, complete;
  } told = {0};
  if (b->comm->rank == 0) {
    status = tt_building_read_found(&b->building, names, count, complete);
    if (status == TT_OK && *complete && !all_open(b, *names, *count)) {
      *complete = false;
      free(*names), *names = NULL;
    }
    if (status == TT_OK && !*complete) {
      tt_building_forget_found(&b->building);
      status = look_for_spills(f, names, count);
    }
    told.count = *count, told.complete = *complete;
  }
  TT_TRY(tt_comm_agree(b->comm, status));
  TT_TRY(tt_comm_broadcast(b->comm, &told, sizeof told, 0));
  *count = told.count, *complete = told.complete;
  if (b->comm->rank != 0) status = tt_alloc(names, *count, sizeof **names, "the list of spills");
  TT_TRY(tt_comm_agree(b->comm, status));
  TT_TRY(tt_comm_broadcast(b->comm, *names, *count * sizeof **names, 0));
  for (size_t k = 0; b->comm->rank != 0 && !*complete && status == TT_OK && k < *count; k++)
    status = add_blocks(f, &(*names)[k]);
  return tt_comm_agree(b->comm, status);
}

// ---- reading
// --------------------------------------------------------------------------------------------------

static tt_status spill(finding *f) {
  const tt_build *b = f->b;
  tt_spill_name name;
  char path[PATH_MAX + 64];
  f->last_spill = tt_now();
  if (!f->content.block_count) return TT_OK;
  tt_building_spill_name(&b->building, b->comm->rank, f->spills, &name);
  tt_building_file(&b->building, name.text, path, sizeof path);
  TT_TRY(tt_build_can_go_on(tt_spill_write(path, b->building.tag, &b->plan, &f->content)));
  f->spills++;
  return TT_OK;
}

static tt_status take_record(finding *f, uint32_t file, const tt_input_record *record) {
  const tt_build_options *o = f->b->options;
  tt_canonical c;
  tt_status status = tt_canonical_read(record, f->b->files[file].kind, &o->recipe, &c);
  if (status == TT_ERR_DATA)
    return tt_rejects_add(&f->content.rejects, file, record->number, record->name, record->name_length,
                          tt_error_message());
  if (status != TT_OK) return status;
  status = tt_entries_add(&f->content.entries, tt_plan_key(c.smiles, o->seed), file, record->number, c.smiles,
                          c.coordinates, c.conformers, c.atoms);
  tt_canonical_free(&c);
  return status;
}

// Reads a block; *end: the file ends in it, or before it.
static tt_status take_block(finding *f, uint32_t file, uint64_t block, tt_input *input, bool *end) {
  uint32_t records = 0;
  for (; records < TT_BLOCK_RECORDS; records++) {
    tt_input_record record;
    TT_TRY(tt_input_next(input, &record, end));
    if (*end) break;
    TT_TRY(take_record(f, file, &record));
  }
  if (!records) return TT_OK;
  tt_spill_content *c = &f->content;
  TT_TRY(tt_reserve(&c->blocks, &c->block_room, c->block_count + 1, sizeof *c->blocks, "a list of blocks"));
  c->blocks[c->block_count++] = (tt_block){.block = block, .file = file};
  c->records += records, f->read += records;
  return TT_OK;
}

// Rank 0 speaks for all: the blocks are dealt out evenly. Rate and time left are of what was really read.
static void show(const finding *f, int64_t bytes) {
  double seconds = tt_now() - f->b->begun, rate = (double)(bytes - f->passed) / seconds;
  if (f->total <= 1 << 20) return; // a small input is read before anybody wants to know
  tt_progress_show(&(tt_progress){.what = "reading",
                                  .counter = "MB",
                                  .unit = "records",
                                  .done = bytes >> 20,
                                  .total = (f->total >> 20) + 1,
                                  .rate = (double)f->read * f->b->comm->size / seconds,
                                  .seconds_left = (double)(f->total - bytes) / rate,
                                  .loss = NAN});
}

// Passes over blocks, `done` of which were finished before.
static tt_status pass_over(finding *f, tt_input *input, uint64_t blocks, uint64_t done) {
  if (!blocks) return TT_OK;
  int64_t from = tt_input_position(input);
  TT_TRY(tt_input_skip(input, blocks * TT_BLOCK_RECORDS));
  f->passed += (int64_t)((double)(tt_input_position(input) - from) * (double)done / (double)blocks);
  return TT_OK;
}

static tt_status read_blocks(finding *f, uint32_t file, tt_input *input) {
  const tt_comm *comm = f->b->comm;
  const tt_spill_content *c = &f->content;
  uint64_t skip = 0, skip_done = 0, left = file; // not every file's first block goes to rank 0
  bool end = false;
  for (uint64_t block = 0; !end && !f->called_off; block++) {
    bool done = tt_blocks_has(&f->done, file, block);
    if (done || left++ % (uint64_t)comm->size != (uint64_t)comm->rank) {
      skip++, skip_done += done;
      continue;
    }
    TT_TRY(pass_over(f, input, skip, skip_done));
    skip = skip_done = 0;
    TT_TRY(take_block(f, file, block, input, &end));
    if (c->entries.used + c->rejects.used >= f->b->options->spill_bytes ||
        tt_now() - f->last_spill > SPILL_SECONDS)
      TT_TRY(spill(f));
    if (comm->rank == 0) show(f, f->before + tt_input_position(input));
    f->called_off = tt_comm_is_called_off(comm);
  }
  return TT_OK;
}

static tt_status read_inputs(finding *f) {
  const tt_build *b = f->b;
  for (int k = 0; k < b->options->file_count; k++) {
    struct stat s;
    if (stat(b->files[k].path, &s) == 0) f->total += s.st_size;
  }
  for (int k = 0; k < b->options->file_count && !f->called_off; k++) {
    tt_input *input;
    TT_TRY(tt_input_open(&input, b->files[k].path, b->files[k].kind));
    tt_status status = read_blocks(f, (uint32_t)k, input);
    f->before += tt_input_size(input);
    tt_input_close(input);
    TT_TRY(status);
  }
  return spill(f);
}

// ---- the end of the pass
// --------------------------------------------------------------------------------------------------

// The names of what each rank has written now follow those that were there.
static tt_status add_new_names(const finding *f, tt_spill_name **names, size_t *count) {
  const tt_comm *comm = f->b->comm;
  uint32_t *spills;
  tt_spill_name *longer = NULL;
  size_t n = *count;
  TT_TRY(tt_comm_agree(comm, tt_alloc(&spills, (size_t)comm->size, sizeof *spills, "tables of the ranks")));
  tt_status status = tt_comm_gather_all(comm, &f->spills, spills, 1, sizeof *spills);
  for (int r = 0; r < comm->size; r++) *count += spills[r];
  if (status == TT_OK) status = tt_alloc(&longer, *count, sizeof *longer, "the list of spills");
  if (status == TT_OK) {
    if (n) memcpy(longer, *names, n * sizeof *longer);
    for (int r = 0; r < comm->size; r++)
      for (uint32_t k = 0; k < spills[r]; k++) tt_building_spill_name(&f->b->building, r, k, &longer[n++]);
    free(*names);
    *names = longer;
  }
  free(spills);
  return tt_comm_agree(comm, status);
}

static tt_status open_all(tt_build *b, const tt_spill_name *names, size_t count) {
  TT_TRY(tt_alloc(&b->spills, count, sizeof *b->spills, "the list of spills"));
  for (size_t k = 0; k < count; k++, b->spill_count++) {
    TT_TRY(open_spill(b, &names[k], &b->spills[k]));
    b->entries += b->spills[k].entries;
    b->summary.read += b->spills[k].records;
  }
  return TT_OK;
}

// From here on it is known that these are all, and that they are of inputs that nobody has changed meanwhile.
static tt_status end_pass(tt_build *b, const tt_spill_name *names, size_t count) {
  tt_status status = tt_building_check_inputs(&b->building, b->options, b->files);
  if (status == TT_OK) return tt_build_can_go_on(tt_building_write_found(&b->building, names, count));
  if (status != TT_ERR_ARGUMENT) return tt_build_can_go_on(status);
  char message[1024];
  snprintf(message, sizeof message, "%s", tt_error_message());
  // found in one version or the other, who knows; shards are there where a spill of theirs was lost
  TT_TRY(tt_building_clear_shards(&b->building, NULL, 0));
  TT_TRY(tt_building_remove(&b->building));
  return tt_fail(
      status, "%s; what was found was removed: begin anew when nothing changes the inputs any more", message);
}

tt_status tt_build_find(tt_build *b) {
  finding f = {.b = b, .last_spill = tt_now()};
  tt_spill_name *names = NULL;
  size_t count = 0, before = 0;
  bool complete = false;
  tt_status status = tt_comm_agree(b->comm, tt_blocks_make(&f.done, (uint32_t)b->options->file_count));
  if (status == TT_OK) status = list_spills(&f, &names, &count, &complete);
  before = count;
  if (status == TT_OK && !complete) {
    // no page of it is used before something is found, and it need not be copied when it grows
    tt_entry_list *list = &f.content.entries;
    status = tt_reserve(&list->bytes, &list->capacity, b->options->spill_bytes, 1, "the molecules found");
    if (status == TT_OK) status = read_inputs(&f);
    if (status != TT_OK) tt_comm_call_off(b->comm);
    tt_progress_clear();
    status = tt_comm_agree(b->comm, status);
    if (status == TT_OK) status = add_new_names(&f, &names, &count);
    if (status == TT_OK)
      status = tt_comm_agree(b->comm, b->comm->rank == 0 ? end_pass(b, names, count) : TT_OK);
  }
  tt_spill_content_free(&f.content); // before the indexes of all spills come
  tt_blocks_free(&f.done);
  if (status == TT_OK) status = tt_comm_agree(b->comm, open_all(b, names, count));
  for (size_t k = 0; status == TT_OK && k < before; k++) b->summary.read_before += b->spills[k].records;
  free(names);
  return status;
}
