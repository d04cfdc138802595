// twotrack train, with numbers that are not finite in chosen batches: built with -Wl,--wrap=tt_model_train
// and -Wl,--wrap=tt_model_evaluate. TT_TEST_NUMBERS lists "KIND BATCH" with commas: "loss" and "norm" make a
// loss term or a gradient of the batch's first molecule not finite, each time the batch is used, "large" the
// gradient finite but too large to be squared; "weight" spoils weights of every rank before the batch, the
// first time only, as a fault of the memory would; "valid" makes validation losses after the batch infinite.
// TT_TEST_KILL: kills the process at the first piece of that batch.
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "model/model.h"

enum { BATCH_SIZE = 32 }; // of small.cfg

tt_status __real_tt_model_train(tt_model *model, const float *weights, const tt_piece *piece, uint64_t seed,
                                uint64_t step, const tt_loss_scale *scale, float *gradient,
                                const tt_piece_losses *losses);
tt_status __wrap_tt_model_train(tt_model *model, const float *weights, const tt_piece *piece, uint64_t seed,
                                uint64_t step, const tt_loss_scale *scale, float *gradient,
                                const tt_piece_losses *losses);
tt_status __real_tt_model_evaluate(tt_model *model, const float *weights, const tt_piece *piece,
                                   const tt_piece_losses *losses);
tt_status __wrap_tt_model_evaluate(tt_model *model, const float *weights, const tt_piece *piece,
                                   const tt_piece_losses *losses);

static uint64_t last_batch = UINT64_MAX;

// The piece's molecule that is its batch's first; -1: it is in another piece.
static int first_of(const tt_piece *piece) {
  for (int m = 0; m < piece->own->molecules; m++)
    if (piece->own->sample[m] % BATCH_SIZE == 0) return m;
  return -1;
}

static bool is_asked(const char *kind, uint64_t batch) {
  const char *at = getenv("TT_TEST_NUMBERS");
  char wanted[32], found[32];
  snprintf(wanted, sizeof wanted, "%s %llu", kind, (unsigned long long)batch);
  for (; at && *at; at += *at == ',') {
    size_t n = strcspn(at, ",");
    snprintf(found, sizeof found, "%.*s", (int)n, at);
    if (strcmp(wanted, found) == 0) return true;
    at += n;
  }
  return false;
}

tt_status __wrap_tt_model_train(tt_model *model, const float *weights, const tt_piece *piece, uint64_t seed,
                                uint64_t step, const tt_loss_scale *scale, float *gradient,
                                const tt_piece_losses *losses) {
  static bool spoiled;
  uint64_t batch = piece->own->molecules ? piece->own->sample[0] / BATCH_SIZE : UINT64_MAX;
  if (piece->own->molecules) last_batch = batch;
  const char *kill_at = getenv("TT_TEST_KILL");
  if (kill_at && batch == strtoull(kill_at, NULL, 10)) raise(SIGKILL);
  if (!spoiled && is_asked("weight", batch)) {
    for (int64_t k = 0; k < 1000; k++) ((float *)(uintptr_t)weights)[k] = NAN;
    spoiled = true;
  }
  TT_TRY(__real_tt_model_train(model, weights, piece, seed, step, scale, gradient, losses));
  int first = first_of(piece);
  if (first < 0) return TT_OK;
  if (is_asked("loss", batch)) losses->position[first] = INFINITY;
  if (is_asked("norm", batch)) gradient[7] = NAN;
  if (is_asked("large", batch)) gradient[7] = 1e30f;
  return TT_OK;
}

tt_status __wrap_tt_model_evaluate(tt_model *model, const float *weights, const tt_piece *piece,
                                   const tt_piece_losses *losses) {
  TT_TRY(__real_tt_model_evaluate(model, weights, piece, losses));
  if (is_asked("valid", last_batch) && piece->own->molecules) losses->distance[0] = INFINITY;
  return TT_OK;
}

int main(int argc, char **argv) {
  return tt_cli_train(argc - 1, argv + 1);
}
