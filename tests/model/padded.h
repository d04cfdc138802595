// Padded batches of the parity files -> our packed batch.
#ifndef TT_TESTS_PADDED_H
#define TT_TESTS_PADDED_H

#include "../h5_read.h"
#include "batch/batch.h"
#include "comm/comm.h"
#include "model/model.h"

typedef struct {
  int molecules, n; // n: padded atoms; the padded length is S = n + 1
  tt_batch batch;   // packed, every molecule with scaling length S
  int32_t *share; // (ranks) how many of them each rank of a tensor group has: neighbours, as even as they go
  tt_batch own;   // the own ones; with one rank nothing
} padded_batch;

// Reads the group `prefix` ("inputs/", "step00000/") of a file, for the ranks of `ranks`. Ends the program on
// any error.
void padded_read(hid_t file, const char *prefix, const tt_comm *ranks, padded_batch *out);
void padded_free(padded_batch *b);

// What a model runs on.
tt_piece padded_piece(const padded_batch *b);

// Model dimensions from a file's attributes; all dropout 0.
tt_model_config padded_config(hid_t file);

#endif
