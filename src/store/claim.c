#include "store/claim.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "core/file.h"
#include "core/lock.h"

static tt_status check_no_store(const char *folder) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/manifest.json", folder) >= (int)sizeof path - 300)
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", folder);
  if (!tt_file_exists(path)) return TT_OK;
  return tt_fail(TT_ERR_ARGUMENT,
                 "%s already holds a store, which is never overwritten; name another folder with "
                 "--out, or remove that one",
                 folder);
}

tt_status tt_store_claim_take(tt_store_claim *claim, const char *folder) {
  *claim = TT_STORE_NO_CLAIM;
  TT_TRY(check_no_store(folder));
  claim->made_folder = !tt_file_exists(folder);
  TT_TRY(tt_make_directories(folder));
  TT_TRY(tt_folder_lock(folder, &claim->lock));
  tt_status status = check_no_store(folder); // the job that had it may have finished while this one waited
  if (status != TT_OK) tt_store_claim_release(claim);
  return status;
}

void tt_store_claim_release(tt_store_claim *claim) {
  if (claim->lock >= 0) close(claim->lock);
  claim->lock = -1;
}
