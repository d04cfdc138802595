// What must be the same on all ranks of a job, or their exchanges would not match and the result would be
// nobody's: the program's version, what it was asked for, the configuration, the kernels it computes with.
#ifndef TT_TRAIN_IDENTITY_H
#define TT_TRAIN_IDENTITY_H

#include "comm/comm.h"
#include "config/config.h"

// Collective, and the first collective call of every command that runs under MPI: what comes after it may
// depend on the command, the options and the configuration. `status`: whether the rank could read those.
// `request`: the command and its options, one a line; `config` NULL when there is none. The store's path is
// left out, for it may differ between nodes.
//
// All ranks get the lowest failing rank's status, or TT_ERR_CONFIG with the first line in which the lowest
// such rank differs from rank 0. Reported once.
tt_status tt_identity_check(const tt_comm *comm, tt_status status, const char *request,
                            const tt_config *config);

// The same for a command that has no configuration and may be asked for by its arguments as they are.
tt_status tt_identity_check_arguments(const tt_comm *comm, int argc, char **argv);

#endif
