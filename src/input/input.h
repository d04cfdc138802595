// Reads molecules' records, one at a time: from a SMILES or SDF file, plain or gzipped, or from an LMDB
// database.
#ifndef TT_INPUT_INPUT_H
#define TT_INPUT_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef enum {
  TT_INPUT_SMILES, // a line a molecule: SMILES, then if you like white space and anything; '#' starts a
                   // comment line
  TT_INPUT_SDF,    // records that end with a line "$$$$"
  TT_INPUT_XYZ,    // frames: a line with the number of atoms, a comment, a line an atom (store/xyz.h)
  TT_INPUT_LMDB,   // of Uni-Mol: values that are pickles (store/unimol.h)
} tt_input_kind;

typedef struct {
  uint64_t
      number; // from 1: SMILES: line of the file; else record of the file, in an LMDB by the order of keys
  const char *text; // SMILES: the SMILES alone; SDF, XYZ: the record with its line feeds; LMDB: the value.
                    // Valid until the next call
  size_t length;    // at most 2 MiB, far more than any molecule that can be used; of more, lines are missing
  const char *name; // what to call it in a list: the SMILES, an SDF record's first line, an XYZ frame's
                    // comment, the key; not terminated
  size_t name_length; // at most 200
} tt_input_record;

typedef struct tt_input tt_input;

// Opens a regular file. TT_ERR_IO, TT_ERR_MEMORY; LMDB also TT_ERR_FORMAT, TT_ERR_CORRUPT.
tt_status tt_input_open(tt_input **input, const char *path, tt_input_kind kind);

// The next record; *end is true when there is none. Blank lines and comments are passed over. TT_ERR_IO
// (cannot be read, or a gzip file that is cut short or damaged), TT_ERR_CORRUPT (LMDB), TT_ERR_MEMORY.
tt_status tt_input_next(tt_input *input, tt_input_record *record, bool *end);

// Passes over `records` records, or what is left of them if that is less. As tt_input_next, but cheaper.
tt_status tt_input_skip(tt_input *input, uint64_t records);

// Bytes of the file read so far (of an LMDB its share of the records), and its size.
int64_t tt_input_position(tt_input *input);
int64_t tt_input_size(const tt_input *input);

void tt_input_close(tt_input *input); // fine on NULL

#endif
