#include "batch/exchange.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "batch/record.h"
#include "core/memory.h"

// ---- what a rank has read
// -------------------------------------------------------------------------------------

void tt_reading_clear(tt_reading *reading) {
  reading->count = 0, reading->used = 0;
}

tt_status tt_reading_add(tt_reading *r, const tt_molecule *m, uint64_t record, uint64_t epoch, int index) {
  size_t count = (size_t)r->count, bytes = tt_record_bytes(m);
  TT_TRY(tt_reserve(&r->entries, &r->entries_room_, count + 1, sizeof *r->entries, "records of a batch"));
  TT_TRY(tt_reserve(&r->offset, &r->offset_room_, count + 1, sizeof *r->offset, "records of a batch"));
  TT_TRY(tt_reserve(&r->bytes, &r->bytes_room_, r->used + bytes, 1, "records of a batch"));
  tt_record_write(r->bytes + r->used, m, record, epoch, index);
  r->entries[count] = (tt_reading_entry){record, epoch, index, (int32_t)m->atoms};
  r->offset[count] = r->used;
  r->used += bytes;
  r->count++;
  return TT_OK;
}

void tt_reading_free(tt_reading *reading) {
  free(reading->entries);
  free(reading->offset);
  free(reading->bytes);
  *reading = (tt_reading){0};
}

// ---- the global batch
// -----------------------------------------------------------------------------------------

typedef struct {
  tt_sample *pool;           // (room): samples of own leaves, in the order of their making; reused
  tt_reading_entry *entries; // (room)
  int64_t *cost;             // (room) in batch order
  int room, group;           // molecules; ranks of a tensor group
} parts;

tt_status tt_global_batch_init(tt_global_batch *b, const tt_comm *comm, int room, const tt_config *config) {
  int leaves = config->train.micro_batches, group = config->parallel.tensor > 1 ? config->parallel.tensor : 1;
  *b = (tt_global_batch){.leaves = leaves};
  if (comm->size % group)
    return tt_fail(
        TT_ERR_CONFIG,
        "parallel.tensor = %d does not divide the number of ranks, %d: start a multiple of %d ranks, or set "
        "another parallel.tensor",
        group, comm->size, group);
  int groups = comm->size / group;
  if (leaves < groups || leaves % groups)
    return tt_fail(TT_ERR_CONFIG,
                   "%d data ranks do not divide train.micro_batches = %d: start a number of ranks that does, "
                   "or set another train.micro_batches",
                   groups, leaves);
  b->own_leaves = leaves / groups;
  b->first_leaf = b->own_leaves * (comm->rank / group);
  size_t n = (size_t)room;
  parts *p = NULL;
  TT_TRY(tt_alloc(&p, 1, sizeof *p, "a global batch"));
  p->room = room;
  b->private_ = p;
  p->group = group;
  TT_TRY(tt_alloc(&p->pool, n, sizeof *p->pool, "a global batch"));
  TT_TRY(tt_alloc(&p->entries, n, sizeof *p->entries, "a global batch"));
  TT_TRY(tt_alloc(&p->cost, n, sizeof *p->cost, "a global batch"));
  TT_TRY(tt_alloc(&b->atoms, n, sizeof *b->atoms, "a global batch"));
  TT_TRY(tt_alloc(&b->leaf, n, sizeof *b->leaf, "a global batch"));
  TT_TRY(tt_alloc(&b->sample, n, sizeof *b->sample, "a global batch"));
  TT_TRY(tt_alloc(&b->record, n, sizeof *b->record, "a global batch"));
  TT_TRY(tt_alloc(&b->epoch, n, sizeof *b->epoch, "a global batch"));
  TT_TRY(tt_alloc(&b->samples, n, sizeof *b->samples, "a global batch"));
  return TT_OK;
}

void tt_global_batch_release(tt_global_batch *b) {
  parts *p = b->private_;
  if (p && p->pool)
    for (int k = 0; k < p->room; k++) tt_sample_free(&p->pool[k]);
  if (p) free(p->pool), free(p->entries), free(p->cost);
  free(p);
  free(b->atoms);
  free(b->leaf);
  free(b->sample);
  free(b->record);
  free(b->epoch);
  free(b->samples);
  *b = (tt_global_batch){0};
}

tt_status tt_cost_table(int64_t **table, const tt_config *config, tt_molecule_cost cost) {
  TT_TRY(tt_alloc(table, (size_t)config->data.max_atoms + 1, sizeof **table, "costs of molecules"));
  for (int n = 0; n <= config->data.max_atoms; n++) (*table)[n] = cost(config, n);
  return TT_OK;
}

static void fill_sizes(tt_global_batch *b, const tt_data_config *data, uint64_t seed, const int64_t *cost) {
  const parts *p = b->private_;
  b->longest = 0;
  b->masked = b->total_atoms = b->total_pairs = 0;
  for (int k = 0; k < b->count; k++) {
    const tt_reading_entry *e = &p->entries[k];
    int64_t length = (int64_t)e->atoms + 1;
    b->atoms[e->index] = e->atoms;
    p->cost[e->index] =
        cost[e->atoms < data->max_atoms ? e->atoms : data->max_atoms]; // more are refused later
    b->record[e->index] = e->record;
    b->epoch[e->index] = e->epoch;
    if (e->atoms > b->longest) b->longest = e->atoms;
    b->total_atoms += e->atoms;
    b->total_pairs += length * length;
    b->masked += tt_masked_count(e->atoms, data->mask_probability, seed, e->epoch, e->record);
  }
}

// Whether a rank belongs to the group that has the molecule's leaf.
static bool owns(const tt_global_batch *b, int rank, int index) {
  return b->leaf[index] / b->own_leaves == rank / ((const parts *)b->private_)->group;
}

// The records for each other rank, one rank after the other; what this rank owns itself stays where it is.
static tt_status gather_outgoing(const tt_global_batch *b, const tt_comm *comm, const tt_reading *r,
                                 void **out, int64_t *counts) {
  unsigned char *bytes = NULL;
  size_t used = 0;
  TT_TRY(
      tt_alloc(&bytes, r->used * (size_t)((const parts *)b->private_)->group, 1, "records for other ranks"));
  *out = bytes;
  for (int to = 0; to < comm->size; to++) {
    size_t before = used;
    for (int64_t k = 0; to != comm->rank && k < r->count; k++) {
      if (!owns(b, to, r->entries[k].index)) continue;
      size_t end = k + 1 < r->count ? r->offset[k + 1] : r->used, size = end - r->offset[k];
      memcpy(bytes + used, r->bytes + r->offset[k], size);
      used += size;
    }
    counts[to] = (int64_t)(used - before);
  }
  return TT_OK;
}

// Makes the samples of the records in `from` that this rank owns; *made counts them.
static tt_status make_samples(tt_global_batch *b, int rank, const unsigned char *from, size_t room,
                              const tt_data_config *data, uint64_t seed, int *made) {
  parts *p = b->private_;
  for (size_t at = 0, bytes = 0; at < room; at += bytes) {
    tt_record_head head;
    tt_molecule m;
    TT_TRY(tt_record_read(from + at, room - at, &head, &m, &bytes));
    if (head.index < 0 || head.index >= b->count || *made >= p->room)
      return tt_fail(TT_ERR_MPI, "record %llu came with position %d of a batch of %d",
                     (unsigned long long)head.record, head.index, b->count);
    if (!owns(b, rank, head.index)) continue;
    tt_sample *sample = &p->pool[(*made)++];
    TT_TRY(tt_sample_make(sample, &m, data, seed, head.epoch, head.record));
    b->samples[head.index] = sample;
  }
  return TT_OK;
}

static int own_molecules(const tt_global_batch *b, int rank) {
  int count = 0;
  for (int k = 0; k < b->count; k++) count += owns(b, rank, k);
  return count;
}

tt_status tt_global_batch_exchange(tt_global_batch *b, const tt_comm *comm, int count,
                                   const tt_reading *reading, const int64_t *counts,
                                   const tt_data_config *data, uint64_t seed, const int64_t *cost,
                                   tt_incoming *incoming) {
  parts *p = b->private_;
  void *outgoing = NULL;
  int64_t *sent = NULL; // (2, size): bytes to each rank, bytes from each
  *incoming = (tt_incoming){0};
  b->count = count;

  tt_comm_count_as(comm, TT_TRAFFIC_RECORDS);
  int64_t before = comm->traffic ? comm->traffic->sent[TT_TRAFFIC_RECORDS] : 0;
  // Each collective is followed by an agreement before the next, so that a rank that failed leaves none
  // waiting.
  tt_status status = tt_comm_gather_all_v(comm, reading->entries, p->entries, counts, sizeof *p->entries);
  if (status == TT_OK) {
    fill_sizes(b, data, seed, cost);
    status = tt_deal(p->cost, count, b->leaves, p->group, b->leaf);
  }
  if (status == TT_OK) status = tt_alloc(&sent, 2 * (size_t)comm->size, sizeof *sent, "tables of ranks");
  if (status == TT_OK) status = gather_outgoing(b, comm, reading, &outgoing, sent);
  status = tt_comm_agree_quietly(comm, status);
  if (status == TT_OK) status = tt_comm_exchange(comm, outgoing, sent, &incoming->bytes, sent + comm->size);
  for (int r = 0; status == TT_OK && r < comm->size; r++) incoming->used += (size_t)sent[comm->size + r];
  b->sent_bytes = comm->traffic ? comm->traffic->sent[TT_TRAFFIC_RECORDS] - before : 0;
  tt_comm_count_as(comm, TT_TRAFFIC_OTHER); // whatever comes next
  free(outgoing);
  free(sent);
  return status;
}

tt_status tt_global_batch_make(tt_global_batch *b, int rank, const tt_reading *reading,
                               const tt_incoming *incoming, const tt_data_config *data, uint64_t seed) {
  int made = 0;
  memset(b->samples, 0, (size_t)b->count * sizeof(tt_sample *));
  TT_TRY(make_samples(b, rank, reading->bytes, reading->used, data, seed, &made));
  TT_TRY(make_samples(b, rank, incoming->bytes, incoming->used, data, seed, &made));
  if (made != own_molecules(b, rank))
    return tt_fail(TT_ERR_MPI, "%d of %d records of a batch arrived", made, own_molecules(b, rank));
  return TT_OK;
}

tt_status tt_same_store(const tt_comm *comm, const tt_store *store) {
  char digest[33] = "", *all = NULL;
  strncpy(digest, tt_store_digest(store), sizeof digest - 1);
  tt_status status = tt_alloc(&all, (size_t)comm->size, sizeof digest, "digests of the store");
  status = tt_comm_agree_quietly(comm, status);
  if (status == TT_OK) status = tt_comm_gather_all(comm, digest, all, 1, sizeof digest);
  for (int r = 0; status == TT_OK && r < comm->size; r++)
    if (memcmp(all, all + (size_t)r * sizeof digest, sizeof digest) != 0)
      status = tt_fail(
          TT_ERR_DATA,
          "store %s is not the same on ranks 0 and %d: give every rank the same store, or an equal copy",
          tt_store_folder(store), r);
  free(all);
  return status;
}
