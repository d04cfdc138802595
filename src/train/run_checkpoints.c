#include "train/run_checkpoints.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "core/position.h"
#include "core/progress.h"
#include "train/records.h"

static bool leader(const tt_trainer *t) {
  return t->comm->rank == 0;
}

tt_status tt_run_checkpoints_open(tt_run_checkpoints *c, const tt_trainer *trainer, const char *folder,
                                  tt_runlog *log) {
  char checkpoints[PATH_MAX];
  snprintf(checkpoints, sizeof checkpoints, "%s/checkpoints", folder);
  *c = (tt_run_checkpoints){.trainer = trainer, .folder = folder, .log = log, .saved = trainer->state.step};
  tt_checkpoint_share share = tt_trainer_share(trainer);
  return tt_saver_create(&c->saver, trainer->comm, &share, trainer->config->train.checkpoint_writer,
                         checkpoints);
}

void tt_run_checkpoints_close(tt_run_checkpoints *c) {
  tt_saver_free(c->saver);
  c->saver = NULL;
}

tt_status tt_run_checkpoints_progress(tt_run_checkpoints *c, bool wait) {
  const tt_trainer *t = c->trainer;
  bool ready = false;
  if (!tt_saver_pending(c->saver)) return TT_OK;
  if (wait) tt_position_phase("waiting for a save", t->state.step);
  TT_TRY(tt_saver_poll(c->saver, wait, &ready));
  if (!ready) return TT_OK;
  // a step that has a checkpoint must be in the log, whatever happens next
  TT_TRY(tt_comm_agree(t->comm, leader(t) ? tt_runlog_sync(c->log) : TT_OK));
  tt_save_report report;
  TT_TRY(tt_saver_finish(c->saver, &report));
  c->saved = report.step;
  c->seconds = fmax(c->seconds,
                    report.create + report.copy + report.write + report.digest + report.sync + report.finish);
  tt_status status = TT_OK;
  if (leader(t)) status = tt_checkpoint_prune(c->folder, t->config->train.checkpoint_keep);
  if (leader(t) && status == TT_OK) status = tt_runlog_append(c->log, tt_record_save(&report));
  return tt_comm_agree(t->comm, status);
}

tt_status tt_run_checkpoints_save(tt_run_checkpoints *c) {
  const tt_trainer *t = c->trainer;
  char path[PATH_MAX];
  tt_position_phase("saving", t->state.step);
  TT_TRY(tt_run_checkpoints_progress(c, true));
  TT_TRY(tt_comm_agree(t->comm, tt_checkpoint_path(c->folder, t->state.step, path, sizeof path)));
  tt_trainer_settle(t);
  TT_TRY(tt_saver_begin(c->saver, path, &t->state));
  return tt_run_checkpoints_progress(c, false);
}

static void warn(const char *path, bool dry_run) {
  tt_progress_clear();
  fprintf(stderr, "twotrack: warning: %s; trying the checkpoint before it (%s%s%s)\n", tt_error_message(),
          dry_run ? "a run would rename this file to " : "renaming this file to ", path, ".broken");
}

tt_status tt_run_checkpoints_load(tt_trainer *t, const char *folder, bool dry_run, char *path, size_t size) {
  int64_t step = INT64_MAX;
  for (int broken = 0;; broken++) {
    tt_status status = TT_OK;
    if (leader(t)) status = tt_checkpoint_newest(folder, step, &step, path, size);
    if (leader(t) && status == TT_OK && !*path)
      status =
          tt_fail(TT_ERR_CORRUPT,
                  "no checkpoint of %s can be used (%d broken): put whole ones back, or start a new run in "
                  "another folder",
                  folder, broken);
    TT_TRY(tt_comm_agree(t->comm, status));
    TT_TRY(tt_comm_broadcast(t->comm, path, size, 0));
    status = tt_trainer_load(t, path);
    if (status != TT_ERR_CORRUPT) return tt_comm_agree(t->comm, leader(t) ? status : TT_OK);
    if (leader(t)) warn(path, dry_run);
    status = leader(t) && !dry_run ? tt_checkpoint_set_aside(path) : TT_OK;
    TT_TRY(tt_comm_agree(t->comm, status));
  }
}
