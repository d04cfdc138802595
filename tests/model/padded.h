// Padded batches of the parity files -> our packed batch.
#ifndef TT_TESTS_PADDED_H
#define TT_TESTS_PADDED_H

#include "../h5_read.h"
#include "batch/batch.h"

typedef struct {
  int molecules, n; // n: padded atoms; the padded length is S = n + 1
  tt_batch batch;   // packed, every molecule with scaling length S
} padded_batch;

// Reads the group `prefix` ("inputs/", "step00000/") of a file. Ends the program on any error.
void padded_read(hid_t file, const char *prefix, padded_batch *out);
void padded_free(padded_batch *b);

// Model dimensions from a file's attributes; all dropout 0.
tt_model_config padded_config(hid_t file);

#endif
