// 128-bit content digests (XXH3, by libxxhash): equal bytes give equal digests, on every machine.
// They guard against accidents, not against forgery.
#ifndef TT_CORE_DIGEST_H
#define TT_CORE_DIGEST_H

#include <stddef.h>

typedef struct {
  char text[33];
} tt_digest; // 32 lower-case hexadecimal digits

typedef struct tt_digest_state tt_digest_state;

tt_digest_state *tt_digest_begin(void);                                     // NULL when out of memory
void tt_digest_add(tt_digest_state *state, const void *data, size_t bytes); // no-op for NULL
tt_digest tt_digest_end(tt_digest_state *state);                            // frees the state
tt_digest tt_digest_of(const void *data, size_t bytes);

#endif
