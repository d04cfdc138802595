// Loaded into the ranks of the tests (LD_PRELOAD): sleeps before each MPI_Allreduce. So a run of few small
// updates lasts long enough to be disturbed at a chosen place, and leaves the processor to others meanwhile.
#include <mpi.h>
#include <stdlib.h>
#include <time.h>

int MPI_Allreduce(const void *send, void *receive, int count, MPI_Datatype type, MPI_Op operation,
                  MPI_Comm comm) {
  static long milliseconds = -1;
  if (milliseconds < 0) milliseconds = getenv("TT_TEST_SLOW_MS") ? atol(getenv("TT_TEST_SLOW_MS")) : 0;
  nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000}, NULL);
  return PMPI_Allreduce(send, receive, count, type, operation, comm);
}
