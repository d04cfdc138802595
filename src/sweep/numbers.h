// OUT/runs.tsv: the runs of a sweep by number. A job array knows its runs by these numbers, so a run keeps
// its own for ever, also when sizes are added to the sweep while jobs wait.
#ifndef TT_SWEEP_NUMBERS_H
#define TT_SWEEP_NUMBERS_H

#include "sweep/expand.h"

// Gives each run its number: the one that runs.tsv has, else the next free ones in order. Runs of the file
// that the sweep does not have any more keep theirs (a line of their own with a # before it). TT_ERR_IO,
// TT_ERR_FORMAT.
tt_status tt_sweep_number(tt_sweep_runs *runs);

// Writes runs.tsv, when it is not there as it should be: a line of names (number, run, size, learning_rate,
// seed, steps, parameters), then a run a line, by number, divided by tabulators.
tt_status tt_sweep_write_numbers(const tt_sweep_runs *runs);

#endif
