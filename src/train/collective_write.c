#include "train/collective_write.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/position.h"
#include "train/checkpoint_parts.h"

#ifdef H5_HAVE_PARALLEL

// A rank's elements of one tensor: neighbours in its share of the tensor, which is so many columns of a
// matrix.
typedef struct {
  tt_own_walk first;   // the first run of them
  int64_t count;       // elements; 0: none
  int64_t left, width; // the share's columns: left .. left + width - 1
} own_part;

// Adds a box to the selection. Of a vector, which has one column, only the rows are looked at.
static bool select_box(hid_t space, bool *first, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  if (!rows || !columns) return true;
  hsize_t start[2] = {(hsize_t)row, (hsize_t)column}, count[2] = {(hsize_t)rows, (hsize_t)columns};
  H5S_seloper_t how = *first ? H5S_SELECT_SET : H5S_SELECT_OR;
  *first = false;
  return H5Sselect_hyperslab(space, how, start, NULL, count, NULL) >= 0;
}

// The part's place in the file: the rest of a row, whole rows, the beginning of a row.
static bool select_part(hid_t space, const tt_parameter *p, const own_part *part) {
  bool first = true;
  if (!part->count) return H5Sselect_none(space) >= 0;
  int64_t row = part->first.run.element / p->shape[1], column = part->first.run.element % p->shape[1];
  int64_t begin = column - part->left, head = begin ? part->width - begin : 0;
  if (head > part->count) head = part->count;
  int64_t rows = (part->count - head) / part->width, tail = (part->count - head) % part->width;
  int64_t below = row + (head > 0);
  return select_box(space, &first, row, head > 0, column, head) &&
         select_box(space, &first, below, rows, part->left, part->width) &&
         select_box(space, &first, below + rows, tail > 0, part->left, tail);
}

// (parameters->count) parts.
static void find_parts(const tt_checkpoint_share *share, own_part *parts) {
  const tt_parameters *t = share->parameters;
  tt_own_walk walk = {0};
  for (int i = 0; i < t->count; i++) {
    const tt_parameter *p = &t->list[i];
    bool by_columns = p->split == TT_SPLIT_COLUMNS;
    parts[i].left = by_columns ? p->first : 0;
    parts[i].width = by_columns ? p->width : p->shape[1];
  }
  while (tt_shards_next(share->shards, t, &walk)) {
    own_part *part = &parts[walk.run.index];
    if (!part->count) part->first = walk;
    part->count += walk.run.count;
  }
}

// All ranks write, and each waits for the others: it counts as waiting for them.
#define WRITING_TOGETHER(file) TT_POSITION_(TT_WITH_RANKS, "writing through MPI-IO", file)

static bool write_part(hid_t group, const tt_parameter *p, const own_part *part, const float *values,
                       hid_t transfer) {
  WRITING_TOGETHER(NULL);
  hid_t set = H5Dopen2(group, p->name, H5P_DEFAULT), space = set >= 0 ? H5Dget_space(set) : -1;
  hsize_t count = part->count ? (hsize_t)part->count : 1;
  hid_t memory = H5Screate_simple(1, &count, NULL);
  bool done = set >= 0 && space >= 0 && memory >= 0 && select_part(space, p, part);
  if (done && !part->count) done = H5Sselect_none(memory) >= 0;
  static const float nothing;
  done =
      done && H5Dwrite(set, H5T_NATIVE_FLOAT, memory, space, transfer, part->count ? values : &nothing) >= 0;
  if (memory >= 0) H5Sclose(memory);
  if (space >= 0) H5Sclose(space);
  if (set >= 0) H5Dclose(set);
  return done;
}

// The other ranks are in a collective call, or on their way into one, and would wait for ever.
_Noreturn static void give_up(const tt_comm *ranks, const char *path, const char *what) {
  tt_h5_fail(TT_ERR_IO, path, what);
  tt_file_abandon(path);
  tt_comm_abort(ranks);
}

// The file that is being written. MPI tells of its errors before HDF5 gets to see them: on its way out of a
// call that failed on one rank only, HDF5 leaves out collective calls that the others make, and they would
// wait for ever.
static struct {
  const tt_comm *ranks;
  const char *path;
  const char *step;
} writing;

static void on_mpi_error(MPI_File *file, int *code, ...) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length;
  if (*file == MPI_FILE_NULL) return; // it cannot be opened: all ranks are told so
  MPI_Error_string(*code, text, &length);
  tt_fail(TT_ERR_IO, "cannot %s %s: %s", writing.step, writing.path, text);
  tt_file_abandon(writing.path);
  tt_comm_abort(writing.ranks);
}

// For files that are opened from now on, until MPI_ERRORS_RETURN, the default, is set again.
static void end_at_mpi_errors(const tt_comm *ranks, const char *path) {
  MPI_Errhandler handler;
  writing.ranks = ranks, writing.path = path, writing.step = "write";
  MPI_File_create_errhandler(on_mpi_error, &handler);
  MPI_File_set_errhandler(MPI_FILE_NULL, handler);
  MPI_Errhandler_free(&handler); // kept as long as it is used
}

// Tensor by tensor on all ranks, also where a rank owns nothing of it: the calls are collective.
static void write_values(const tt_comm *ranks, hid_t file, const char *path, const tt_checkpoint_share *share,
                         const own_part *parts) {
  const int count = share->parameters->count, sections = tt_checkpoint_tensors(share) / count;
  hid_t transfer = H5Pcreate(H5P_DATASET_XFER);
  H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE);
  for (int s = 0; s < sections; s++) {
    hid_t group = H5Gopen2(file, tt_checkpoint_sections[s], H5P_DEFAULT);
    for (int i = 0; i < count; i++) {
      const float *values = tt_checkpoint_place(share, s, &parts[i].first);
      if (!write_part(group, &share->parameters->list[i], &parts[i], values, transfer))
        give_up(ranks, path, "write");
    }
    H5Gclose(group);
  }
  H5Pclose(transfer);
}

bool tt_collective_write_works(void) {
  return true;
}

static tt_status open_write_close(const tt_comm *ranks, const char *path, const tt_checkpoint_share *share,
                                  const own_part *parts, double *write_seconds, double *sync_seconds) {
  WRITING_TOGETHER(path);
  double begun = tt_now();
  end_at_mpi_errors(ranks, path);
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fapl_mpio(access, ranks->mpi, MPI_INFO_NULL);
  H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
  H5Pset_all_coll_metadata_ops(access, true); // one rank reads the structure for all
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, access);
  H5Pclose(access);
  TT_TRY(tt_comm_agree(ranks, file < 0 ? tt_h5_fail(TT_ERR_IO, path, "open") : TT_OK));
  write_values(ranks, file, path, share, parts);
  *write_seconds = tt_now() - begun;
  begun = tt_now();
  writing.step = "sync";
  if (H5Fflush(file, H5F_SCOPE_GLOBAL) < 0) give_up(ranks, path, "sync");
  writing.step = "close";
  if (H5Fclose(file) < 0) give_up(ranks, path, "close");
  MPI_File_set_errhandler(MPI_FILE_NULL, MPI_ERRORS_RETURN);
  *sync_seconds = tt_now() - begun;
  return TT_OK;
}

tt_status tt_collective_write(const tt_comm *ranks, const char *path, const tt_checkpoint_share *share,
                              double *write_seconds, double *sync_seconds) {
  own_part *parts;
  tt_h5_silence();
  tt_status status = tt_alloc(&parts, (size_t)share->parameters->count, sizeof *parts, "parts of tensors");
  TT_TRY(tt_comm_agree(ranks, status));
  find_parts(share, parts);
  status = open_write_close(ranks, path, share, parts, write_seconds, sync_seconds);
  free(parts);
  return status;
}

#else

bool tt_collective_write_works(void) {
  return false;
}

tt_status tt_collective_write(const tt_comm *ranks, const char *path, const tt_checkpoint_share *share,
                              double *write_seconds, double *sync_seconds) {
  (void)ranks, (void)share, (void)write_seconds, (void)sync_seconds;
  return tt_fail(TT_ERR_UNSUPPORTED, "%s: this build's HDF5 cannot write in parallel", path);
}

#endif
