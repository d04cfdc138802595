// The end of a build: what the notes of all shards say becomes manifest and summary, the rejects of spills
// and notes one file.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "building/build_parts.h"
#include "building/note.h"

enum { REJECTS_BOUND = 64 << 20 }; // bytes of rejects put in order at a time

static tt_status read_note(const tt_build *b, uint32_t shard, tt_shard_note *note, tt_reject_list *rejects) {
  char path[PATH_MAX + 64];
  tt_building_note(&b->building, shard, path, sizeof path);
  tt_status status = tt_note_read(path, b->building.tag, (uint32_t)b->options->file_count, note, rejects);
  if (status == TT_ERR_CORRUPT) unlink(path); // the next start makes the shard again
  return tt_build_can_go_on(status);
}

// Visits the rejects of all spills and of the notes of the first `shards` shards.
static tt_status take_all(const tt_build *b, uint32_t shards, tt_reject_list *list,
                          const tt_reject_place *after, tt_reject_place *end) {
  tt_reject_list from = {0};
  tt_shard_note note;
  tt_status status = TT_OK;
  for (size_t k = 0; status == TT_OK && k < b->spill_count; k++) {
    if (!b->spills[k].rejects) continue;
    status = tt_build_drop_damaged(&b->spills[k], tt_spill_rejects(&b->spills[k], &from));
    if (status == TT_OK) status = tt_rejects_take(list, &from, after, end, REJECTS_BOUND);
  }
  for (uint32_t k = 0; status == TT_OK && k < shards; k++) {
    status = read_note(b, k, &note, &from);
    if (status == TT_OK) status = tt_rejects_take(list, &from, after, end, REJECTS_BOUND);
  }
  tt_rejects_free(&from);
  return status;
}

// Goes through all rejects in order, piece by piece, and counts them; prints them to `out` (NULL: does not).
// first: of all of them, as text.
static tt_status walk_rejects(tt_build *b, uint32_t shards, FILE *out, char *first, size_t size) {
  tt_build_summary *s = &b->summary;
  tt_reject_place after = {0}, end;
  bool more = true, heading = true;
  s->rejected = 0, *first = 0;
  memset(s->kinds, 0, sizeof s->kinds);
  while (more) {
    tt_reject_list list = {0};
    end = TT_REJECTS_END;
    tt_status status = take_all(b, shards, &list, heading ? NULL : &after, &end);
    if (status == TT_OK) status = tt_rejects_sort(&list);
    if (status == TT_OK) {
      if (heading) tt_rejects_first(&list, b->paths, first, size);
      if (out) tt_rejects_print(out, &list, b->paths, heading);
      tt_rejects_tally(&list, s->kinds);
      s->rejected += list.count;
      more = end.file != TT_REJECTS_END.file, heading = false;
      if (more) after = tt_rejects_last(&list);
    }
    tt_rejects_free(&list);
    TT_TRY(status);
  }
  tt_rejects_rank(s->kinds);
  return TT_OK;
}

static tt_status write_rejects(tt_build *b) {
  char path[PATH_MAX], temporary[PATH_MAX], first[8];
  snprintf(path, sizeof path, "%s/rejected.tsv", b->options->folder);
  tt_file_temporary(path, temporary, sizeof temporary);
  FILE *out = fopen(temporary, "wb");
  if (!out) return tt_fail(TT_ERR_IO, "cannot create %s: %s", temporary, strerror(errno));
  tt_status status = walk_rejects(b, tt_plan_shards(&b->plan), out, first, sizeof first);
  bool failed = ferror(out);
  if ((fclose(out) != 0 || failed) && status == TT_OK)
    status = tt_fail(TT_ERR_IO, "cannot write %s: %s", path, strerror(errno ? errno : EIO));
  if (status == TT_OK) return tt_file_commit(temporary, path);
  tt_file_abandon(temporary);
  return status;
}

tt_status tt_build_nothing_left(tt_build *b) {
  const tt_build_summary *s = &b->summary;
  char first[512] = "";
  if (b->comm->rank == 0) {
    TT_TRY(walk_rejects(b, b->entries ? tt_plan_shards(&b->plan) : 0, NULL, first, sizeof first));
    TT_TRY(tt_building_clear_shards(&b->building, NULL, 0));
    TT_TRY(tt_building_remove(&b->building));
  }
  return tt_fail(TT_ERR_DATA, "nothing to train on: of %llu records read, %llu cannot be used%s%s%s",
                 (unsigned long long)s->read, (unsigned long long)s->rejected,
                 *first ? "; the first is " : "", first,
                 s->molecules[TT_VALID] ? "; all molecules left fell to validation (--valid-fraction)" : "");
}

static void count_shard(tt_build_summary *s, const tt_shard_entry *shard) {
  s->molecules[shard->split] += shard->records;
  s->conformers += shard->conformers;
  s->shards++;
}

// All of it on rank 0. The manifest comes last, so a folder with one is a store.
static tt_status finish(tt_build *b) {
  tt_build_summary *s = &b->summary;
  tt_shard_entry *entries;
  uint32_t shards = tt_plan_shards(&b->plan);
  TT_TRY(tt_alloc(&entries, shards, sizeof *entries, "the list of shards"));
  tt_status status = TT_OK;
  for (uint32_t k = 0; status == TT_OK && k < shards; k++) {
    tt_shard_note note;
    status = read_note(b, k, &note, NULL);
    if (status != TT_OK) break;
    entries[k] = note.shard;
    count_shard(s, &note.shard);
    s->merged += note.merged;
    for (int g = 0; g <= TT_GEOMETRY_ETKDG; g++) s->geometry[g] += note.geometry[g];
  }
  if (status == TT_OK && s->molecules[TT_TRAIN] == 0) status = tt_build_nothing_left(b);
  if (status == TT_OK) status = tt_build_can_go_on(write_rejects(b));
  if (status == TT_OK)
    status = tt_build_can_go_on(tt_manifest_write(b->options->folder, &b->info, entries, shards));
  if (status == TT_OK) status = tt_building_remove(&b->building);
  free(entries);
  s->seconds = tt_now() - b->begun;
  return status;
}

tt_status tt_build_end(tt_build *b) {
  return tt_comm_agree(b->comm, b->comm->rank == 0 ? finish(b) : TT_OK);
}

tt_status tt_build_describe_finished(tt_build *b) {
  tt_store *store;
  TT_TRY(tt_store_open(&store, b->options->folder));
  b->summary.was_finished = true;
  for (uint32_t k = 0; k < tt_store_shards(store); k++) count_shard(&b->summary, tt_store_shard(store, k));
  tt_store_close(store);
  return TT_OK;
}
