// What the writer and the reader of checkpoints share; not for others.
#ifndef TT_TRAIN_CHECKPOINT_PARTS_H
#define TT_TRAIN_CHECKPOINT_PARTS_H

#include <hdf5.h>

#include "train/checkpoint.h"
#include "train/checkpoint_values.h"

#define TT_CHECKPOINT_FORMAT "twotrack-checkpoint"
#define TT_CHECKPOINT_BUFFER "se3_invariant_kernel.gaussian.mean"

enum {
  TT_CHECKPOINT_SCHEMA = 2,
  TT_CHECKPOINT_SCHEMA_SKIPPED = 3,  // with a list of skipped chunks, which programs before it would overlook
  TT_CHECKPOINT_SCHEMA_BATCHES = 4,  // with a list of skipped batches and, perhaps, one of skipped chunks
  TT_CHECKPOINT_CONFIG_MOST = 60000, // characters of the configuration: an attribute holds less than 64 kB
};

extern const char *const tt_checkpoint_sections[TT_CHECKPOINT_SECTIONS]; // "weights", "moment1", "moment2"

// The whole digest from those of the tensors, ordered as in tt_checkpoint_info (`sections` is 1 or 3), and
// that of the Gaussian kernel's centres.
tt_digest tt_checkpoint_whole_digest(const tt_parameters *parameters, int sections, const tt_digest *digests,
                                     tt_digest means, const tt_progress_state *state);

// Of what tt_progress_state holds as attributes of the file, beside the whole digest.
tt_digest tt_checkpoint_state_digest(const tt_progress_state *state);

// The lists of skipped chunks and batches (checkpoint_lists.c). Their lines in a digest, those of batches
// that are still ahead only with `ahead`; their datasets, `tiny` ones of one row; their values in the file;
// reading them. TT_ERR_FORMAT, TT_ERR_CORRUPT, TT_ERR_IO.
void tt_checkpoint_digest_lists(tt_digest_state *all, const tt_progress_state *state, bool ahead);
bool tt_checkpoint_place_lists(hid_t file, bool tiny, tt_checkpoint_info *info);
tt_status tt_checkpoint_put_lists(const char *path, int file, const tt_checkpoint_info *info);
tt_status tt_checkpoint_get_lists(const char *path, hid_t file, int64_t file_bytes, int64_t schema,
                                  tt_progress_state *state);

// The state as attributes: one row each, for the writer and the reader.
typedef struct {
  const char *name;
  hid_t type;    // in the file
  hid_t memory;  // of the value
  size_t offset; // in tt_progress_state
} tt_checkpoint_number;

enum { TT_CHECKPOINT_NUMBERS = 6 };
void tt_checkpoint_numbers(tt_checkpoint_number numbers[TT_CHECKPOINT_NUMBERS]);

// Makes the file's first bytes (*front, malloc'ed), in which HDF5 describes parameters, digests and state of
// *info, and sets info->at, info->buffer_at (where the values belong) and *file_bytes. `path` only for
// messages.
tt_status tt_checkpoint_structure(const char *path, tt_checkpoint_info *info, char **front,
                                  size_t *front_bytes, int64_t *file_bytes);

// TT_ERR_FORMAT when the tensors of a file are not those of the model (the first difference is named).
tt_status tt_checkpoint_compare_tables(const char *path, const tt_parameters *file,
                                       const tt_parameters *model);
// Reads the Gaussian kernel's centres into info->state.means. TT_ERR_CORRUPT when they are broken.
tt_status tt_checkpoint_read_means(const char *path, tt_checkpoint_info *info);

// Sets info->at and info->buffer_at, where the values belong, and *file_bytes, before the digests are known.
// As long as parameters, store digest, length of the configuration and lengths of the lists of what was
// skipped stay, so do these. `path` only for messages.
tt_status tt_checkpoint_lay_out(const char *path, tt_checkpoint_info *info, int64_t *file_bytes);

// Makes the temporary file (its name is set) in which the checkpoint `path` grows: so many bytes, with room
// on the disk, empty. TT_ERR_IO (disk full...): nothing is left.
tt_status tt_checkpoint_create(const char *path, int64_t file_bytes, char *temporary, size_t size);

// Writes all but the values into it, now with the digests.
tt_status tt_checkpoint_put_front(const char *path, const char *temporary, tt_checkpoint_info *info);

// Stops HDF5 from printing its own error stack; the innermost reason goes into our message instead.
void tt_h5_silence(void);
tt_status tt_h5_fail(tt_status code, const char *path, const char *what);

// File access: serial, newest format with checksums on all metadata, no file locks (network file systems lack
// them).
hid_t tt_h5_access(void);

#endif
