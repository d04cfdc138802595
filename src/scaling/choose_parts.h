// The parts of the choice (choose.h): runs with their points, and what is done with them one after the other.
#ifndef TT_SCALING_CHOOSE_PARTS_H
#define TT_SCALING_CHOOSE_PARTS_H

#include "scaling/choose.h"

typedef struct {
  const tt_run *run;
  double size;                 // as it is counted
  double reached;              // the last step of the log
  double from;                 // the first step that may count
  bool last_only;              // of its points the last one counts
  bool decaying;               // some points are in the middle of a falling learning rate
  bool beaten;                 // by another learning rate: has lost its points
  size_t early, lost, waiting; // validations left out: before `from`; without a finite loss; because the run,
                               // whose rate decays, has not come to its end
  size_t count;
  const tt_run_record **points; // [count], in the order of steps; none: the run is left out
} tt_candidate;

typedef struct {
  const tt_choice *choice;
  int count;
  tt_candidate *of; // [count], every run of the table
  tt_observations *out;
  int rates_at_edge; // cells whose best learning rate is the smallest or largest that was tried
} tt_candidates;

// Sizes and points. TT_ERR_DATA naming a run whose size is not known.
tt_status tt_candidates_take(tt_candidates *candidates, const tt_run_table *table, const tt_choice *choice,
                             tt_observations *out);
void tt_candidates_free(tt_candidates *candidates);

bool tt_runs_same_shape(const tt_run *a, const tt_run *b);

// Runs of one shape, length, batch size and schedule that differ in learning rate: those of the rate with the
// lowest mean last loss keep their points.
tt_status tt_candidates_best_rates(tt_candidates *candidates);

// TT_ERR_DATA, or a caution where the choice says `mixed`, for runs whose losses are not comparable.
tt_status tt_candidates_compare(const tt_candidates *candidates);
// Everything else that a reader of the law must know about these runs.
tt_status tt_candidates_caution(const tt_candidates *candidates);
// out->schedule and out->chosen.
void tt_candidates_describe(const tt_candidates *candidates);

// Options that contradict each other or make no sense: TT_ERR_ARGUMENT.
tt_status tt_choice_check(const tt_choice *choice);

// Leaves out the rows with the highest losses, and groups without rows. TT_ERR_DATA when nothing is left.
tt_status tt_observations_leave_out(tt_observations *observations, int highest);

// Adds to a text of `size` bytes, printf-style; cuts what does not fit.
void tt_append(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

// "a, b, c and 4 more"
typedef struct {
  int count;
  char text[400];
} tt_name_list;
void tt_name_list_add(tt_name_list *list, const char *name);
const char *tt_name_list_text(tt_name_list *list); // once, at the end

#endif
