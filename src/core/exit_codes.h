// How the program ends, for those who start it again (docs/failures.md).
#ifndef TT_CORE_EXIT_CODES_H
#define TT_CORE_EXIT_CODES_H

enum {
  TT_EXIT_ERROR = 1,    // what has been reported is to be mended first: starting again would not help
  TT_EXIT_USAGE = 2,    // a wrong command line
  TT_EXIT_MACHINE = 71, // the machine failed, not the run (a hang, MPI): starting again may help
  TT_EXIT_STOPPED = 75, // asked to stop (signal, time limit), all is saved: start again to go on
};

#endif
