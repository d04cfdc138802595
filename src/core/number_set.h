// A set of whole numbers from 0 on, few among many: the batches that a run leaves out.
#ifndef TT_CORE_NUMBER_SET_H
#define TT_CORE_NUMBER_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

// Start from a zeroed one.
typedef struct {
  int64_t *values; // (count) ascending, each once
  size_t count, room_;
} tt_number_set;

enum { TT_NUMBER_SET_MOST = 1000000 }; // numbers that a text may stand for

void tt_number_set_free(tt_number_set *set);
tt_status tt_number_set_add(tt_number_set *set, int64_t value); // TT_ERR_MEMORY
tt_status tt_number_set_copy(tt_number_set *to, const tt_number_set *from);
bool tt_number_set_has(const tt_number_set *set, int64_t value);

// How many of its numbers are below `value`.
size_t tt_number_set_below(const tt_number_set *set, int64_t value);

// The n-th (from 0) whole number that is not in it.
int64_t tt_number_set_missing(const tt_number_set *set, int64_t n);

// Adds the numbers of a text such as "12, 500-519": numbers and ranges, both ends included, with commas or
// spaces between them; "" adds none. TT_ERR_ARGUMENT for anything else, numbers above 1e12 or too many of
// them; TT_ERR_MEMORY.
tt_status tt_number_set_parse(tt_number_set *set, const char *text);

// As such a text, at most `size` - 1 characters, the last ones "..." where it is longer.
void tt_number_set_print(const tt_number_set *set, char *text, size_t size);

#endif
