// The folder that a rewrite writes into. One rank uses it.
#ifndef TT_DERIVE_REWRITE_FOLDER_H
#define TT_DERIVE_REWRITE_FOLDER_H

#include "core/status.h"
#include "store/claim.h"

// Takes the folder, clears what an unfinished rewrite has left in it, and writes origin.json, by which the
// next one will know. TT_ERR_ARGUMENT: it holds a store, or an unfinished build (which is kept). TT_ERR_IO.
tt_status tt_rewrite_folder_take(tt_store_claim *claim, const char *folder, const char *origin);

// Removes what this rewrite has written, and the folder if it was not there before; keeps the error message.
void tt_rewrite_folder_clear(const tt_store_claim *claim, const char *folder);

#endif
