// OUT/sweep.sbatch: a Slurm job array that trains what is left of a sweep, made of slurm/sweep.sbatch.
#ifndef TT_SWEEP_SCRIPT_H
#define TT_SWEEP_SCRIPT_H

#include "sweep/status.h"

// Writes the script, or renews the line "#SBATCH --array=" of the one that is there, which people edit; makes
// OUT/logs. The runs must have their numbers. program: path of twotrack. at_once: how many tasks Slurm may
// run at once; 0: as the script says that is there, else no limit. *array: the numbers of the runs that are
// left ("1-5,7%4"), free() it; "" when there are none, and then nothing is written. TT_ERR_IO; TT_ERR_FORMAT
// for a script without such a line, or with two.
tt_status tt_sweep_write_script(const tt_sweep *sweep, const tt_sweep_runs *runs,
                                const tt_sweep_status *statuses, const char *program, int at_once,
                                char **array);

// The lines of slurm/sweep.sbatch, each with its line feed; the last one is NULL.
extern const char *const tt_sweep_template[];

#endif
