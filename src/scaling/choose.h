// Which logged points a law is fitted to, and what a reader must be told about them.
#ifndef TT_SCALING_CHOOSE_H
#define TT_SCALING_CHOOSE_H

#include "scaling/observations.h"
#include "scaling/run_table.h"

typedef enum { TT_SIZE_TOTAL, TT_SIZE_WITHOUT_EMBEDDINGS, TT_SIZE_FLOPS } tt_size_count;

// AUTO: a run with a constant learning rate gives all its points, one whose rate decays only its last, for a
// point in mid-decay is not what a run of that length would have reached.
typedef enum { TT_POINTS_AUTO, TT_POINTS_ALL, TT_POINTS_LAST } tt_points;

// The options of `twotrack fit` that decide what is fitted. For runs and tables alike, unless it says so.
typedef struct {
  tt_term term;         // which validation loss
  tt_size_count size;   // how a size is counted. A foreign table: by the column
  tt_points points;     // a foreign table: AUTO counts all
  double from_step;     // points before it are left out; NaN: not given
  double skip_fraction; // of a run's planned steps (a foreign table: of its last step) are left out; NaN: not
                        // given, which is the first quarter for runs, as the paper does, and nothing for
                        // foreign tables
  bool best_rate;       // of runs of one size the learning rate with the lowest mean last loss (runs only)
  bool mixed;           // runs whose losses are not comparable are a caution, not an error (runs only)
  bool law_in_steps;    // the law has steps as a variable: different batch sizes are a caution
  int leave_out_highest; // this many points with the highest losses are left out
  const char *columns;   // tables only: "size=NAME,loss=NAME"; keys size, samples, steps, flops, loss,
                         // loss_se, run; NULL: found by their names
} tt_choice;

// Total loss, all parameters, AUTO, nothing else given.
tt_choice tt_choice_default(void);

// Reads runs (see tt_run_table_read) and chooses. The rows have step > 0, size > 0 and loss > 0. Errors:
// those of reading; TT_ERR_DATA when runs are not comparable (names both and the key) or no point is left;
// TT_ERR_ARGUMENT for options that contradict each other. Release with tt_observations_free; empty after a
// failure.
tt_status tt_observe_runs(const char *const *runs, int count, const tt_choice *choice,
                          tt_observations *observations);

// The same from a table in memory; source is "26 runs", followed by " of NAME" where `name` is not NULL.
tt_status tt_choose(const tt_run_table *table, const tt_choice *choice, const char *name,
                    tt_observations *observations);

#endif
