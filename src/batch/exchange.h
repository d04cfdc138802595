// The part that training and validation share: records read here and there become a dealt global batch whose
// samples are ready on the ranks that own them. Private to the batch room.
#ifndef TT_BATCH_EXCHANGE_H
#define TT_BATCH_EXCHANGE_H

#include "batch/assemble.h"

// What the ranks tell each other about each molecule of a batch.
typedef struct {
  uint64_t record, epoch;
  int32_t index, atoms;
} tt_reading_entry;

// The records of one global batch that this rank has read from the store. Zero it before the first use.
typedef struct {
  int64_t count;
  tt_reading_entry *entries;
  size_t *offset;       // of each record in `bytes`
  unsigned char *bytes; // records as tt_record_write makes them
  size_t used;
  size_t entries_room_, offset_room_, bytes_room_;
} tt_reading;

void tt_reading_clear(tt_reading *reading);
tt_status tt_reading_add(tt_reading *reading, const tt_molecule *molecule, uint64_t record, uint64_t epoch,
                         int index);
void tt_reading_free(tt_reading *reading);

// Room for batches of up to `room` molecules in train.micro_batches leaves. Each block of leaves belongs to
// the parallel.tensor ranks of a group, all of which get its samples. TT_ERR_CONFIG if the groups do not
// divide the leaves.
tt_status tt_global_batch_init(tt_global_batch *batch, const tt_comm *comm, int room,
                               const tt_config *config);
void tt_global_batch_release(tt_global_batch *batch);

// (0 .. data.max_atoms) the cost of a molecule by its atoms; free() releases it. TT_ERR_MEMORY.
tt_status tt_cost_table(int64_t **table, const tt_config *config, tt_molecule_cost cost);

// Records of own leaves that came from other ranks, one after the other; free(bytes).
typedef struct {
  void *bytes;
  size_t used;
} tt_incoming;

// Collective; the same status and message on all ranks, not printed yet. A batch of `count` molecules of
// which this rank has read those in `reading`, and rank r counts[r]: sizes are told, the batch is dealt by
// `cost`, a tt_cost_table, and records go to the ranks that own them. batch->sample is the caller's to fill.
tt_status tt_global_batch_exchange(tt_global_batch *batch, const tt_comm *comm, int count,
                                   const tt_reading *reading, const int64_t *counts,
                                   const tt_data_config *data, uint64_t seed, const int64_t *cost,
                                   tt_incoming *incoming);

// Then, on each rank for itself and in any thread: makes the samples of own leaves. TT_ERR_DATA as
// tt_sample_make's.
tt_status tt_global_batch_make(tt_global_batch *batch, int rank, const tt_reading *reading,
                               const tt_incoming *incoming, const tt_data_config *data, uint64_t seed);

// Every rank must see the same store. Same status on all ranks, not printed yet.
tt_status tt_same_store(const tt_comm *comm, const tt_store *store);

#endif
