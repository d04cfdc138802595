// twotrack train, with a fault in one rank after an update: built with -Wl,--wrap=tt_trainer_update.
// TT_TEST_FAULT names it: "flip RANK STEP" turns a bit of that rank's weights round, "abort RANK STEP" ends
// the job there as a failure does that the other ranks cannot know of.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "train/trainer.h"

tt_status __real_tt_trainer_update(tt_trainer *t, const tt_global_batch *batch, tt_update *update);
tt_status __wrap_tt_trainer_update(tt_trainer *t, const tt_global_batch *batch, tt_update *update);

static void flip(const tt_ops *ops, float *value) {
  uint32_t bits;
  ops->download(value, sizeof bits, &bits);
  bits ^= 1;
  ops->upload(&bits, sizeof bits, value);
}

tt_status __wrap_tt_trainer_update(tt_trainer *t, const tt_global_batch *batch, tt_update *update) {
  TT_TRY(__real_tt_trainer_update(t, batch, update));
  char kind[8];
  int rank, step;
  const char *fault = getenv("TT_TEST_FAULT");
  if (!fault || sscanf(fault, "%7s %d %d", kind, &rank, &step) != 3) return TT_OK;
  if (t->comm->rank != rank || t->state.step != step) return TT_OK;
  if (strcmp(kind, "flip") == 0) flip(t->ops, t->weights + t->parameters->total / 2);
  if (strcmp(kind, "abort") == 0) {
    tt_fail(TT_ERR_DATA, "a fault for a test");
    tt_comm_abort(t->comm);
  }
  return TT_OK;
}

int main(int argc, char **argv) {
  return tt_cli_train(argc - 1, argv + 1); // inject train CONFIG ...
}
