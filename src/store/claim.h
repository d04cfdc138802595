// The right to write a store into a folder.
#ifndef TT_STORE_CLAIM_H
#define TT_STORE_CLAIM_H

#include <stdbool.h>

#include "core/status.h"

typedef struct {
  int lock;         // the open folder; -1: not held
  bool made_folder; // it was not there before
} tt_store_claim;

// Makes the folder and locks it, so that two jobs never write into one. One rank of a job calls it. The lock
// goes with that process, however it ends. TT_ERR_ARGUMENT: the folder holds a store, which is never
// overwritten. TT_ERR_IO: another job has it, or it cannot be made.
tt_status tt_store_claim_take(tt_store_claim *claim, const char *folder);

// Fine on one that is not held; zeroes do not say that: start from TT_STORE_NO_CLAIM.
void tt_store_claim_release(tt_store_claim *claim);

#define TT_STORE_NO_CLAIM ((tt_store_claim){.lock = -1})

#endif
