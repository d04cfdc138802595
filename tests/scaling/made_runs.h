// Runs that tests make up: folders with a run.jsonl of known records.
#ifndef TT_TESTS_SCALING_MADE_RUNS_H
#define TT_TESTS_SCALING_MADE_RUNS_H

#include "scaling/run_table.h"

typedef struct {
  const char *name; // of the folder
  int width;        // embed_dim; parameters are 1000 * width, 600 * width of them without embeddings
  int planned,
      reached; // steps; validations every tenth of `planned`, step records a step before and after them
  int warmup, batch, seed;
  double rate;
  const char *schedule;                      // "constant"...
  const char *store;                         // digest
  const char *data, *optimizer, *validation; // more settings of these groups: "noise_scale = 0.3;"
  double train_records;
  int diverges_at; // validations from this step on have no finite loss; 0: none
} made_run;

// 1000 steps of 16 molecules at a constant rate, all of them done.
made_run made_run_of(const char *name, int width);

// The losses that a made run has: of a validation at `step`.
double made_loss(const made_run *run, int step, tt_term term);

// Makes folder/NAME/run.jsonl.
void make_run(const char *folder, const made_run *run);

// A temporary folder, and its end with all that is in it.
void make_folder(char *folder, size_t size);
void remove_folder(const char *folder);

void write_text(const char *folder, const char *name, const char *text); // a file

#endif
