// Stores of random molecules for tests, and the digest of a sample. Include cmocka first.
#ifndef TT_TESTS_RANDOM_STORE_H
#define TT_TESTS_RANDOM_STORE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/digest.h"
#include "random_molecule.h"
#include "store/store.h"

static inline int remove_one(const char *path, const struct stat *s, int flag, struct FTW *f) {
  (void)s, (void)flag, (void)f;
  return remove(path);
}

static inline void remove_folder(const char *path) {
  nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

// Molecules first .. first + count - 1 of 1 to 23 atoms; molecule `broken` has an atom of no element.
static inline void random_shard_write(const char *store, uint32_t number, tt_split split, uint64_t first,
                                      uint64_t count, uint64_t broken, const tt_store_info *info,
                                      tt_shard_entry *entry) {
  random_molecule *made = calloc(count, sizeof *made);
  tt_molecule *molecules = calloc(count, sizeof *molecules);
  for (uint64_t k = 0; k < count; k++) {
    random_molecule_make(&made[k], 1 + (uint32_t)((first + k) * 7919 % 23), first + k);
    made[k].molecule.key = first + k;
    if (first + k == broken) made[k].atom_features[0] = 118;
    molecules[k] = made[k].molecule;
  }
  if (tt_shard_write(store, number, split, info, molecules, count, entry) != TT_OK)
    fail_msg("%s", tt_error_message());
  free(made);
  free(molecules);
}

static inline void digest_sample(tt_digest_state *d, const tt_sample *s) {
  size_t n = (size_t)s->atoms;
  tt_digest_add(d, &s->record, sizeof s->record);
  tt_digest_add(d, &s->masked, sizeof s->masked);
  tt_digest_add(d, s->token, n);
  tt_digest_add(d, s->target, n);
  tt_digest_add(d, s->atom_input, 16 * n);
  tt_digest_add(d, s->degree, 2 * n);
  tt_digest_add(d, s->path, 2 * n * n);
  tt_digest_add(d, s->edge, 3 * n * n);
  tt_digest_add(d, s->pair_class, n);
  tt_digest_add(d, s->position, 12 * n);
  tt_digest_add(d, s->target_position, 12 * n);
}

#endif
