// A store record as bytes, on its way from the rank that read it to the rank whose leaf it is in. Private to
// the room.
//
// Native byte order, 8-byte aligned and padded: head, coordinates, 2-D coordinates, bond atoms, atom
// features, bond features, SMILES. All conformations go along: the choice among them is drawn with the masks,
// by the owner.
#ifndef TT_BATCH_RECORD_H
#define TT_BATCH_RECORD_H

#include <stddef.h>

#include "chem/molecule.h"
#include "core/status.h"

typedef struct {
  uint64_t record, epoch;
  int32_t index; // position in the global batch
  uint32_t atoms, bonds, conformers, smiles_length;
  uint32_t flat; // 1: with 2-D coordinates
} tt_record_head;

// Bytes that tt_record_write writes: a multiple of 8.
size_t tt_record_bytes(const tt_molecule *molecule);

void tt_record_write(void *to, const tt_molecule *molecule, uint64_t record, uint64_t epoch, int32_t index);

// Views the record at the start of `from` (8-byte aligned, `room` bytes) as a molecule; *bytes is its size.
// TT_ERR_MPI when it does not fit into `room`: the ranks disagree about what was sent.
tt_status tt_record_read(const void *from, size_t room, tt_record_head *head, tt_molecule *molecule,
                         size_t *bytes);

#endif
