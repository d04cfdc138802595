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

// Collective, and the same status on all ranks, already printed (tt_comm_agree). Makes the batch of `count`
// molecules of which this rank has read those in `reading`, and rank r counts[r]; dealt by `cost`, a
// tt_cost_table. batch->sample is the caller's to fill.
tt_status tt_global_batch_build(tt_global_batch *batch, const tt_comm *comm, int count,
                                const tt_reading *reading, const int64_t *counts, const tt_data_config *data,
                                uint64_t seed, const int64_t *cost);

// Every rank must see the same store. Same status on all ranks, not printed yet.
tt_status tt_same_store(const tt_comm *comm, const tt_store *store);

#endif
