// Where the time of an update of several ranks goes, from what each of them saw of it.
#ifndef TT_TRAIN_STEP_SPLIT_H
#define TT_TRAIN_STEP_SPLIT_H

// What one rank saw of one update, in seconds; together they are the update's wall-clock time on it.
typedef struct {
  double computing; // had something of its own to do
  double others;    // was at an exchange, or waited for ranks or for molecules
} tt_rank_step;

// In seconds; none is negative, and they add up to the mean over ranks of an update's wall-clock time.
typedef struct {
  double computation;   // mean over ranks
  double imbalance;     // the longest computation less the mean
  double communication; // what is left
  double data;          // stood still because molecules were not ready
} tt_step_split;

// Of one update. `waited`: seconds that it stood still for molecules, on the rank where that was longest.
// Ranks that wait can do so for two reasons at once: imbalance counts first, then data.
tt_step_split tt_split_step(const tt_rank_step *ranks, int count, double waited);

void tt_step_split_add(tt_step_split *sum, const tt_step_split *term);
double tt_step_split_sum(const tt_step_split *split);

#endif
