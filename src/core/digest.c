#include "core/digest.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

static tt_digest format(XXH128_hash_t hash) {
  tt_digest d;
  snprintf(d.text, sizeof d.text, "%016llx%016llx", (unsigned long long)hash.high64,
           (unsigned long long)hash.low64);
  return d;
}

tt_digest_state *tt_digest_begin(void) {
  XXH3_state_t *s = XXH3_createState();
  if (s) XXH3_128bits_reset(s);
  return (tt_digest_state *)s;
}

void tt_digest_add(tt_digest_state *state, const void *data, size_t bytes) {
  if (state && bytes) XXH3_128bits_update((XXH3_state_t *)state, data, bytes);
}

tt_digest tt_digest_end(tt_digest_state *state) {
  tt_digest d = {""};
  if (!state) return d;
  d = format(XXH3_128bits_digest((XXH3_state_t *)state));
  XXH3_freeState((XXH3_state_t *)state);
  return d;
}

tt_digest tt_digest_of(const void *data, size_t bytes) {
  return format(XXH3_128bits(data, bytes));
}
