#include "comm/part.h"

#include <time.h>

#include "comm/check.h"

void tt_comm_split(const tt_comm *comm, int color, int key, tt_comm *part) {
  *part = (tt_comm){.mpi = MPI_COMM_NULL, .traffic = comm->traffic};
  TT_MPI(comm, MPI_Comm_split(comm->mpi, color, key, &part->mpi));
  if (part->mpi == MPI_COMM_NULL) return;
  TT_MPI(comm, MPI_Comm_set_errhandler(part->mpi, MPI_ERRORS_RETURN));
  TT_MPI(comm, MPI_Comm_rank(part->mpi, &part->rank));
  TT_MPI(comm, MPI_Comm_size(part->mpi, &part->size));
}

void tt_part_of_ranks(const tt_comm *comm, int ranks, tt_comm *part) {
  tt_comm_split(comm, comm->rank < ranks ? 0 : MPI_UNDEFINED, comm->rank, part);
}

void tt_part_of_ranks_free(tt_comm *part) {
  if (part->mpi != MPI_COMM_NULL) MPI_Comm_free(&part->mpi);
  *part = (tt_comm){.mpi = MPI_COMM_NULL};
}

void tt_comm_rest(const tt_comm *comm) {
  MPI_Request all_here;
  int done = 0;
  tt_comm_meet(comm);
  TT_MPI(comm, MPI_Ibarrier(comm->mpi, &all_here));
  for (;;) {
    TT_MPI(comm, MPI_Test(&all_here, &done, MPI_STATUS_IGNORE));
    if (done) return;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
}
