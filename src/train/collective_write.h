// A checkpoint's values written by all ranks together through parallel HDF5 (MPI-IO): slower than plain
// writes and right on file systems too on which writes of several machines to one file get into each other's
// way, such as NFS.
#ifndef TT_TRAIN_COLLECTIVE_WRITE_H
#define TT_TRAIN_COLLECTIVE_WRITE_H

#include "comm/comm.h"
#include "train/checkpoint_values.h"

// Whether this build's HDF5 can.
bool tt_collective_write_works(void);

// Collective over `ranks`. The file holds its structure and is of full size; each rank writes what it owns,
// and syncs. TT_ERR_UNSUPPORTED, TT_ERR_MEMORY. MPI-IO has no way out of a collective call that fails on one
// rank (disk full): such a rank removes the file and ends the job with its message.
tt_status tt_collective_write(const tt_comm *ranks, const char *path, const tt_checkpoint_share *share,
                              double *write_seconds, double *sync_seconds);

#endif
