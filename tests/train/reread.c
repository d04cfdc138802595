// Reads a checkpoint with the layout of this job and writes what was read: reread CONFIG CHECKPOINT OUT
// [--set group.key=value]...
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "train/saver.h"
#include "train/trainer.h"

static tt_status write_again(const tt_comm *comm, const tt_config *config, const tt_trainer *t,
                             const char *out) {
  char folder[PATH_MAX];
  tt_saver *saver;
  tt_save_report report;
  bool ready;
  tt_checkpoint_share share = tt_trainer_share(t);
  snprintf(folder, sizeof folder, "%s", out);
  TT_TRY(tt_saver_create(&saver, comm, &share, config->train.checkpoint_writer, dirname(folder)));
  tt_status status = tt_saver_begin(saver, out, &t->state);
  if (status == TT_OK) status = tt_saver_poll(saver, true, &ready);
  if (status == TT_OK) status = tt_saver_finish(saver, &report);
  tt_saver_free(saver);
  return status;
}

int main(int argc, char **argv) {
  const char *overrides[32];
  int count = 0;
  for (int k = 4; k + 1 < argc && count < 32; k += 2) overrides[count++] = argv[k + 1];
  tt_comm comm;
  tt_config config;
  tt_trainer trainer = {0};
  if (argc < 4 || tt_comm_start(&comm) != TT_OK) return 2;
  tt_status status = tt_comm_agree(&comm, tt_config_load(&config, argv[1], overrides, count));
  if (status == TT_OK) status = tt_trainer_init(&trainer, &comm, &config);
  if (status == TT_OK) status = tt_comm_agree(&comm, tt_trainer_load(&trainer, argv[2]));
  if (status == TT_OK) status = tt_comm_agree(&comm, write_again(&comm, &config, &trainer, argv[3]));
  tt_trainer_free(&trainer);
  if (status == TT_OK) tt_config_free(&config);
  tt_comm_finish(&comm);
  return status != TT_OK;
}
