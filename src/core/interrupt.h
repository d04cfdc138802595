// Requests to stop that come as signals: from Slurm, mpirun or a terminal.
#ifndef TT_CORE_INTERRUPT_H
#define TT_CORE_INTERRUPT_H

// From now on SIGTERM, SIGINT, SIGUSR1, SIGUSR2 and SIGHUP ask for a stop; the program looks for that with
// tt_interrupt_signal where it can stop. SIGINT and SIGHUP stay ignored where they were (nohup, a shell's
// background job). Signals within TT_INTERRUPT_SAME_S of the first are the same request, for Slurm and mpirun
// both pass one on; a later one ends the process at once with code 128 + its number. That is safe: files are
// complete or absent at any time. Calls of the system that a signal interrupts are started again, but sleeps.
void tt_interrupt_install(void);

enum { TT_INTERRUPT_SAME_S = 2 };

// The first signal that came, or 0. Cheap; any thread.
int tt_interrupt_signal(void);

// All is saved and the process is about to end: from now on a signal ends it at once with `code`. mpirun and
// srun may send one to the ranks that are left when the first has ended.
void tt_interrupt_settle(int code);

// "SIGTERM" for SIGTERM and so on; "signal" for what is not asked for here.
const char *tt_interrupt_name(int number);

#endif
