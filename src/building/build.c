#include "building/build.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/memory.h"
#include "building/build_parts.h"

tt_status tt_build_can_go_on(tt_status status) {
  if (status == TT_OK) return status;
  char message[1024];
  snprintf(message, sizeof message, "%s", tt_error_message());
  return tt_fail(status, "%s; what is finished is kept: run the same command again to go on", message);
}

tt_status tt_build_drop_damaged(const tt_spill *spill, tt_status status) {
  if (status != TT_ERR_CORRUPT) return tt_build_can_go_on(status);
  char message[1024];
  snprintf(message, sizeof message, "%s", tt_error_message());
  unlink(spill->path);
  return tt_fail(status,
                 "%s; it was removed, and all else is kept: run the same command again, which reads its "
                 "records anew",
                 message);
}

static int compare_paths(const void *left, const void *right) {
  const tt_build_file *a = left, *b = right;
  int order = strcmp(a->path, b->path);
  return order ? order : (int)a->kind - (int)b->kind;
}

static tt_status prepare_files(tt_build *b) {
  size_t n = (size_t)b->options->file_count;
  TT_TRY(tt_alloc(&b->files, n, sizeof *b->files, "the list of files"));
  TT_TRY(tt_alloc(&b->paths, n, sizeof *b->paths, "the list of files"));
  memcpy(b->files, b->options->files, n * sizeof *b->files);
  qsort(b->files, n, sizeof *b->files, compare_paths);
  for (size_t k = 0; k < n; k++) {
    tt_input *input; // every one can be opened, before any work is done
    b->paths[k] = b->files[k].path;
    TT_TRY(tt_input_open(&input, b->files[k].path, b->files[k].kind));
    tt_input_close(input);
  }
  return TT_OK;
}

static void describe(tt_build *b) {
  const tt_build_options *o = b->options;
  const tt_chem_recipe *r = &o->recipe;
  b->info = (tt_store_info){.hydrogens = r->hydrogens, .coordinates_2d = r->coordinates_2d, .seed = o->seed};
  snprintf(b->info.toolkit, sizeof b->info.toolkit, "%s", tt_chem_toolkit());
  bool any[TT_INPUT_LMDB + 1] = {false};
  for (int k = 0; k < o->file_count; k++) any[o->files[k].kind] = true;
  char generated[200] = "";
  if (any[TT_INPUT_SMILES])
    snprintf(
        generated, sizeof generated,
        "SMILES: ETKDGv3 with hydrogens, conformers %d, attempts %d and as many from random coordinates; "
        "MMFF94, else UFF, steps %d",
        r->conformers, r->embed_iterations, r->optimise_iterations);
  static const char *const names[] = {
      [TT_INPUT_SDF] = "SDF", [TT_INPUT_XYZ] = "XYZ", [TT_INPUT_LMDB] = "LMDB"};
  char given[100] = "";
  for (int k = TT_INPUT_SDF; k <= TT_INPUT_LMDB; k++)
    if (any[k]) snprintf(given + strlen(given), 20, "%s%s", *given ? ", " : "", names[k]);
  snprintf(b->info.recipe, sizeof b->info.recipe, "%s%s%s%s", generated, *generated && *given ? "; " : "",
           given, *given ? ": coordinates of the file" : "");
}

// A store that is complete, but whose build was stopped before it had cleared away, needs nothing else.
static tt_status clear_finished(tt_build *b, bool *was_finished) {
  char manifest[PATH_MAX], building[PATH_MAX];
  int lock;
  *was_finished = false;
  if (snprintf(manifest, sizeof manifest, "%s/manifest.json", b->options->folder) >= PATH_MAX ||
      snprintf(building, sizeof building, "%s/building", b->options->folder) >= PATH_MAX)
    return TT_OK; // the claim tells of it
  if (!tt_file_exists(manifest) || !tt_file_exists(building)) return TT_OK;
  TT_TRY(tt_folder_lock(b->options->folder, &lock));
  tt_status status = tt_building_was_finished(b->options, b->files, was_finished);
  if (status == TT_OK && *was_finished) status = tt_build_describe_finished(b);
  close(lock);
  return status;
}

// Rank 0 takes the folder, all get to know what is going on there.
static tt_status take_folder(tt_build *b, bool *was_finished) {
  tt_status status = TT_OK;
  if (b->comm->rank == 0) {
    status = clear_finished(b, was_finished);
    if (status == TT_OK && !*was_finished) {
      status = tt_store_claim_take(&b->claim, b->options->folder);
      if (status == TT_OK) status = tt_building_open(&b->building, b->options, b->files);
    }
  }
  TT_TRY(tt_comm_agree(b->comm, status));
  TT_TRY(tt_comm_broadcast(b->comm, was_finished, sizeof *was_finished, 0));
  return tt_comm_broadcast(b->comm, &b->building, sizeof b->building, 0);
}

static tt_status run(tt_build *b) {
  const tt_comm *comm = b->comm;
  bool was_finished = false;
  if (!tt_chem_toolkit()) // the absent chem room words the message
    return tt_comm_agree(comm, tt_chem_canonical("C", 1, &b->options->recipe, &(char *){NULL}));
  TT_TRY(tt_comm_agree(comm, prepare_files(b)));
  TT_TRY(take_folder(b, &was_finished));
  if (was_finished) return TT_OK;
  const tt_build_options *o = b->options;
  b->plan = tt_shard_plan_make(0, o->valid_fraction, o->shards); // who is for validation
  TT_TRY(tt_build_find(b));
  if (!b->entries) return tt_comm_agree(comm, tt_build_nothing_left(b));
  b->plan = tt_shard_plan_make(b->entries, o->valid_fraction, o->shards);
  describe(b);
  TT_TRY(tt_build_make(b));
  return tt_build_end(b);
}

tt_status tt_store_build(const tt_comm *comm, const tt_build_options *options, tt_build_summary *summary) {
  tt_build_options own = *options;
  if (!own.spill_bytes) own.spill_bytes = TT_BUILD_SPILL;
  tt_build b = {.comm = comm, .options = &own, .begun = tt_now(), .claim = TT_STORE_NO_CLAIM};
  tt_status status = run(&b);
  *summary = b.summary;
  if (b.claim.lock >= 0) { // rank 0, and the folder is ours
    if (status != TT_OK && *b.building.path) tt_building_remove_if_bare(&b.building);
    if (status != TT_OK && b.claim.made_folder) rmdir(options->folder); // if it is empty
  }
  tt_store_claim_release(&b.claim);
  for (size_t k = 0; k < b.spill_count; k++) tt_spill_close(&b.spills[k]);
  free(b.files), free(b.paths), free(b.spills);
  return status;
}
