// Whether the shards of a store are all there, on all nodes, before a run meets the missing one hours later.
#ifndef TT_BATCH_FIND_SHARDS_H
#define TT_BATCH_FIND_SHARDS_H

#include "comm/comm.h"
#include "store/store.h"

// Collective, on a store that is the same on all ranks, though its folder need not be. Looks for every shard
// with its size (tt_store_find_shard); the ranks that see one folder from one node share the work. All ranks
// get the error of the lowest rank that misses one; reported once.
tt_status tt_store_find_all(const tt_comm *comm, const tt_store *store);

#endif
