// A record of the LMDB files that Uni-Mol and Uni-Mol2 publish and read: a pickled dict with "smi" (text),
// "atoms" (symbols) and "coordinates" (one array or list of rows of 3, or several); other entries are
// ignored. The pickle is read, never run.
#ifndef TT_INPUT_UNIMOL_H
#define TT_INPUT_UNIMOL_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum {
  TT_UNIMOL_ATOMS = 8192,      // most that a record is read with, hydrogens included
  TT_UNIMOL_CONFORMERS = 1000, // and most of its geometries
};

typedef struct {
  char *smiles;
  size_t smiles_length;
  uint32_t atoms, conformers;
  uint8_t *numbers; // (atoms), atomic numbers
  float *
      coordinates; // (conformers, atoms, 3), Angstrom; drawings (all z are 0) only when there is nothing else
  size_t room_[2]; // of numbers and coordinates
} tt_unimol;

// Reads a record, which may be compressed with zlib or gzip. TT_ERR_DATA: it cannot be used, "kind: detail";
// TT_ERR_MEMORY. tt_unimol_free afterwards, whatever the result.
tt_status tt_unimol_read(const void *value, size_t bytes, tt_unimol *record);
void tt_unimol_free(tt_unimol *record);

#endif
