// A frame of an XYZ file: the number of atoms, a comment, and a line an atom: symbol (or atomic number), x,
// y, z in Angstrom; more columns are ignored. The comment may say charge=-1; one of "extended XYZ" must have
// these columns first and no periodic cell.
#ifndef TT_INPUT_XYZ_H
#define TT_INPUT_XYZ_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
  uint32_t atoms;
  int charge;         // of the whole; 0 when nothing says so
  uint8_t *numbers;   // (atoms), atomic numbers
  float *coordinates; // (atoms, 3), Angstrom
} tt_xyz;

// TT_ERR_DATA: it cannot be used, "kind: detail"; TT_ERR_MEMORY. tt_xyz_free afterwards, whatever the result.
tt_status tt_xyz_read(const char *text, size_t length, tt_xyz *frame);
void tt_xyz_free(tt_xyz *frame);

#endif
