// Runs as tables: what a run is (its facts) and what it logged (its records), the same whether they were read
// from run logs or from the CSV file that `twotrack log export` made of them.
#ifndef TT_SCALING_RUN_TABLE_H
#define TT_SCALING_RUN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef enum { TT_TERM_TOTAL, TT_TERM_TOKEN, TT_TERM_POSITION, TT_TERM_DISTANCE, TT_TERMS } tt_term;

// One logged record. NaN: the record lacks the number.
typedef struct {
  bool valid; // a validation; else a training step
  double step, samples;
  // Of the training up to here. A validation has those of the step record of its step; without one, a value
  // in proportion to the samples between the step records around it.
  double atoms, pairs, flops_executed, flops_reference;
  double loss[TT_TERMS];
  double loss_se[TT_TERMS], molecules, masked, baseline[TT_TERMS]; // of a validation
  double learning_rate, gradient_norm, samples_per_s, data_s;      // of a step
} tt_run_record;

typedef struct {
  char name[256];        // the run folder's name; the path as given where two runs would have one name
  char *log;             // path of the run log; NULL when the run comes from a table
  char *config;          // the resolved configuration's text; NULL: not known
  char store_digest[40]; // "": not known
  double size_total, size_without_embeddings; // parameters; NaN: not known
  double store_train_records;                 // molecules the store has to train on; NaN: not known
  double store_valid_records;
  double started_unix; // seconds since 1970; NaN: not known
  bool configured;     // what follows is known: after tt_run_table_read, not after tt_run_read
  int64_t layers, embed_dim, heads, pair_dim, pair_hidden, ffn_dim;
  int64_t seed, batch_size, steps_planned, warmup_steps, cooldown_steps;
  double learning_rate; // the peak
  char schedule[16];    // "linear", "constant" or "cooldown"
  char *evaluation; // what must be equal for losses to be comparable: "store=9df...; validation.seed=1; ..."
  char *training;   // every other setting that the losses depend on, written alike
  size_t count;
  tt_run_record *records; // [count], in the order of the log
} tt_run;

typedef struct {
  int count;
  tt_run *runs; // [count]; names differ
} tt_run_table;

// Reads a run: its folder, or a run log itself. TT_ERR_IO, TT_ERR_FORMAT; both name the file. Release with
// tt_run_free.
tt_status tt_run_read(tt_run *run, const char *path);
void tt_run_free(tt_run *run);

// Reads runs with their configurations' facts: folders of runs, run logs, or folders whose subfolders are
// runs (those are taken in the order of their names). TT_ERR_ARGUMENT for a run that is named twice; else as
// tt_run_read, TT_ERR_FORMAT for a log without configuration, TT_ERR_CONFIG for one that this program does
// not know.
tt_status tt_run_table_read(tt_run_table *table, const char *const *paths, int count);

// One row a record, every column of run_columns.h; numbers with 17 significant digits, so that each reads
// back to the same bits; what is not known is an empty field. `file` is complete or absent (TT_ERR_IO).
tt_status tt_run_table_write(const tt_run_table *table, const char *file);

void tt_run_table_free(tt_run_table *table);

#endif
