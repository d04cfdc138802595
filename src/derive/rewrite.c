#include "derive/rewrite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/progress.h"
#include "store/parts.h"
#include "derive/rewrite_folder.h"

typedef struct {
  const tt_rewrite *r;
  tt_store_claim claim;
  tt_shard_part *parts; // (runs) the chunk of each input that is in hand
  struct part_name {
    uint32_t shard;
    uint64_t chunk;
  } * names;            // (runs) which one; chunk UINT64_MAX: none
  tt_key_place *wanted; // of the shard in hand
  size_t wanted_count, wanted_room;
  uint8_t *to;
  size_t to_room;
  tt_molecule *molecules;
  size_t molecule_count, molecule_room;
  tt_keep keep;
  tt_shard_entry *entries; // own ones, in order
  uint32_t entry_count;
  uint64_t taken; // molecules that this rank has taken in
  tt_rewrite_summary sum;
  double begun;
} job;

tt_shard_plan tt_rewrite_plan(uint64_t train, uint64_t valid, uint32_t shards) {
  double fraction = (double)valid / (double)(train + valid);
  return tt_shard_plan_make(train + valid, fraction < 0.5 ? fraction : 0.5, shards);
}

// The shards of a split are dealt out in blocks: rank r has those from this one to the next rank's.
static uint32_t block_begins(uint32_t shards, int rank, int ranks) {
  return (uint32_t)((uint64_t)shards * (uint64_t)rank / (uint64_t)ranks);
}

int tt_rewrite_rank(const tt_shard_plan *plan, uint32_t shard, int ranks) {
  tt_split split = tt_plan_split_of(plan, shard);
  if (split == TT_VALID) shard -= plan->shards[TT_TRAIN];
  int rank = (int)((uint64_t)shard * (uint64_t)ranks / plan->shards[split]);
  while (rank + 1 < ranks && block_begins(plan->shards[split], rank + 1, ranks) <= shard) rank++;
  return rank;
}

void tt_rewrite_show(const tt_comm *comm, const char *what, double begun, uint64_t done, uint64_t all) {
  if (comm->rank != 0) return;
  double seconds = tt_now() - begun, rate = (double)done / seconds;
  if (seconds < 1 && done < all) return; // no rate yet that means anything
  tt_progress_show(&(tt_progress){.what = what,
                                  .unit = "molecules",
                                  .done = (int64_t)done,
                                  .total = (int64_t)all,
                                  .rate = rate,
                                  .seconds_left = (double)(all - done) / rate,
                                  .loss = NAN});
}

// ---- one shard
// ------------------------------------------------------------------------------------------------

// Finds out which molecules go to shard `number`.
static tt_status choose(job *j, uint32_t number) {
  const tt_rewrite *r = j->r;
  tt_split split = tt_plan_split_of(&r->plan, number);
  uint64_t first, last;
  tt_plan_keys(&r->plan, number, &first, &last);
  tt_key_walk *walk;
  TT_TRY(tt_key_walk_begin(&walk, r->runs, first, last));
  const tt_key_place *same;
  uint32_t count;
  tt_status status;
  j->wanted_count = 0;
  while ((status = tt_key_walk_next(walk, &same, &count)) == TT_OK && count) {
    status = tt_reserve(&j->to, &j->to_room, count, 1, "molecules of one key");
    if (status == TT_OK)
      status = tt_reserve(&j->wanted, &j->wanted_room, j->wanted_count + count, sizeof *j->wanted,
                          "the places of a shard's molecules (more shards need less: --shards)");
    if (status != TT_OK) break;
    r->choose(r->context, same, count, j->to);
    for (uint32_t k = 0; k < count; k++)
      if (j->to[k] == (uint8_t)split) j->wanted[j->wanted_count++] = same[k];
  }
  tt_key_walk_end(walk);
  return status;
}

static tt_status fetch(job *j, const tt_key_place *place, tt_molecule *to) {
  tt_shard_part *part = &j->parts[place->run];
  struct part_name *name = &j->names[place->run];
  tt_store *store = j->r->runs->runs[place->run].store;
  uint64_t chunk = place->row / TT_CHUNK;
  if (name->chunk != chunk || name->shard != place->shard) {
    if (name->chunk != UINT64_MAX && name->shard != place->shard) tt_store_release_shard(store, name->shard);
    name->chunk = UINT64_MAX; // a read that fails leaves none
    TT_TRY(tt_store_read_part(store, place->shard, chunk, part));
    name->chunk = chunk, name->shard = place->shard;
  }
  return tt_keep_molecule(&j->keep, &part->molecules[place->row % TT_CHUNK], to);
}

// Takes the molecules of the wanted places first .. end-1, which have one key.
static tt_status take(job *j, size_t first, size_t end) {
  uint32_t left = (uint32_t)(end - first);
  TT_TRY(tt_reserve(&j->molecules, &j->molecule_room, j->molecule_count + left, sizeof *j->molecules,
                    "the molecules of a shard"));
  tt_molecule *m = j->molecules + j->molecule_count;
  for (size_t k = first; k < end; k++) TT_TRY(fetch(j, &j->wanted[k], &m[k - first]));
  if (left > 1) tt_keep_sort(m, left);
  if (left > 1 && !j->r->exact) TT_TRY(tt_keep_unite(&j->keep, m, left, &left, &j->sum.united));
  j->molecule_count += left;
  return TT_OK;
}

static tt_status make_shard(job *j, uint32_t number) {
  const tt_rewrite *r = j->r;
  TT_TRY(choose(j, number));
  tt_keep_clear(&j->keep);
  j->molecule_count = 0;
  for (size_t first = 0, end; first < j->wanted_count; first = end) {
    for (end = first + 1; end < j->wanted_count && j->wanted[end].key == j->wanted[first].key;) end++;
    TT_TRY(take(j, first, end));
    j->taken += end - first;
    // rank 0 speaks for all, who have shares of about the same size; the end is the end of the slowest
    uint64_t all = r->expected[0] + r->expected[1], done = j->taken * (uint64_t)r->comm->size;
    tt_rewrite_show(r->comm, "writing", j->begun, done < all ? done : all - 1, all);
  }
  tt_shard_entry *entry = &j->entries[j->entry_count];
  tt_split split = tt_plan_split_of(&r->plan, number);
  TT_TRY(tt_shard_write(r->folder, number, split, &r->info, j->molecules, j->molecule_count, entry));
  j->entry_count++;
  j->sum.molecules[split] += entry->records, j->sum.conformers += entry->conformers;
  j->sum.bytes += entry->bytes;
  return TT_OK;
}

static tt_status make_shards(job *j) {
  const tt_rewrite *r = j->r;
  size_t runs = r->runs->count;
  TT_TRY(tt_alloc(&j->parts, runs, sizeof *j->parts, "chunks of the stores"));
  TT_TRY(tt_alloc(&j->names, runs, sizeof *j->names, "chunks of the stores"));
  for (size_t k = 0; k < runs; k++) j->names[k].chunk = UINT64_MAX;
  size_t own =
      2 + tt_plan_shards(&r->plan) / (size_t)r->comm->size; // blocks are rounded up, one of each split
  TT_TRY(tt_alloc(&j->entries, own, sizeof *j->entries, "the list of shards"));
  for (int split = 0; split < 2; split++) {
    uint32_t shards = r->plan.shards[split], base = split == TT_VALID ? r->plan.shards[TT_TRAIN] : 0;
    uint32_t end = block_begins(shards, r->comm->rank + 1, r->comm->size);
    for (uint32_t s = block_begins(shards, r->comm->rank, r->comm->size); s < end; s++)
      TT_TRY(make_shard(j, base + s));
  }
  return TT_OK;
}

// ---- the end
// --------------------------------------------------------------------------------------------------

static tt_status add_up(job *j) {
  tt_rewrite_summary *s = &j->sum;
  uint64_t words[] = {s->molecules[0],  s->molecules[1], s->conformers,    s->bytes,
                      s->united.joined, s->united.same,  s->united.beyond, s->united.other_graph};
  TT_TRY(tt_comm_sum(j->r->comm, words, sizeof words / sizeof *words));
  *s = (tt_rewrite_summary){.molecules = {words[0], words[1]},
                            .conformers = words[2],
                            .bytes = words[3],
                            .shards = {j->r->plan.shards[0], j->r->plan.shards[1]},
                            .united = {words[4], words[5], words[6], words[7]}};
  return TT_OK;
}

static tt_status check_counts(const job *j) {
  for (int split = 0; split < 2 && j->r->exact; split++)
    if (j->sum.molecules[split] != j->r->expected[split])
      return tt_fail(TT_ERR_DATA, "%llu %s molecules were to be written, and %llu were found",
                     (unsigned long long)j->r->expected[split], split ? "validation" : "training",
                     (unsigned long long)j->sum.molecules[split]);
  return TT_OK;
}

// Brings the ranks' shard entries to rank 0, which writes the manifest.
static tt_status write_manifest(const job *j) {
  const tt_comm *comm = j->r->comm;
  size_t ranks = (size_t)comm->size;
  uint32_t total = tt_plan_shards(&j->r->plan);
  int64_t *table;
  void *received = NULL;
  tt_shard_entry *ordered = NULL;
  TT_TRY(tt_comm_agree(comm, tt_alloc(&table, 2 * ranks, sizeof *table, "tables of the ranks")));
  table[0] = (int64_t)(j->entry_count * sizeof *j->entries);
  tt_status status = tt_comm_agree(comm, tt_comm_exchange(comm, j->entries, table, &received, table + ranks));
  if (status == TT_OK && comm->rank == 0) {
    status = tt_alloc(&ordered, total, sizeof *ordered, "the list of shards");
    int64_t *next = table, at = 0; // bytes, in what was received, of each rank's next entry
    for (size_t k = 0; k < ranks; k++) next[k] = at, at += table[ranks + k];
    for (uint32_t s = 0; status == TT_OK && s < total; s++) {
      int64_t *from = &next[tt_rewrite_rank(&j->r->plan, s, comm->size)];
      memcpy(&ordered[s], (const char *)received + *from, sizeof *ordered);
      *from += (int64_t)sizeof *ordered;
    }
    if (status == TT_OK) status = tt_manifest_write(j->r->folder, &j->r->info, ordered, total);
  }
  free(table), free(received), free(ordered);
  return tt_comm_agree(comm, status);
}

static tt_status run(job *j) {
  const tt_rewrite *r = j->r;
  const tt_comm *comm = r->comm;
  tt_status status = r->expected[TT_TRAIN]
                         ? TT_OK
                         : tt_fail(TT_ERR_DATA, "%s: no molecule to train on would be left", r->folder);
  if (status == TT_OK && comm->rank == 0) status = tt_rewrite_folder_take(&j->claim, r->folder, r->origin);
  TT_TRY(tt_comm_agree(comm, status));
  status = make_shards(j);
  // the others cannot know of a failure before they are done, which may take hours: it ends the job
  if (status != TT_OK && comm->size > 1) tt_comm_abort(comm);
  status = tt_comm_agree(comm, status);
  if (status == TT_OK) status = add_up(j);
  if (status == TT_OK) status = tt_comm_agree(comm, check_counts(j));
  uint64_t all = r->expected[0] + r->expected[1];
  if (status == TT_OK) tt_rewrite_show(comm, "writing", j->begun, all, all);
  if (status == TT_OK) status = write_manifest(j);
  if (status != TT_OK && comm->rank == 0) tt_rewrite_folder_clear(&j->claim, r->folder);
  return status;
}

tt_status tt_rewrite_run(const tt_rewrite *rewrite, tt_rewrite_summary *summary) {
  job j = {.r = rewrite, .claim = TT_STORE_NO_CLAIM, .begun = tt_now()};
  tt_status status = run(&j);
  for (size_t k = 0; j.parts && k < rewrite->runs->count; k++) tt_shard_part_free(&j.parts[k]);
  free(j.parts), free(j.names), free(j.wanted), free(j.to), free(j.molecules), free(j.entries);
  tt_keep_free(&j.keep);
  tt_store_claim_release(&j.claim);
  *summary = j.sum;
  summary->seconds = tt_now() - j.begun;
  return status;
}
