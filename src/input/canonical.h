// From a record of an input file to what a build keeps of it: the canonical SMILES, which says which molecule
// it is, and the geometries that the record brings along.
#ifndef TT_INPUT_CANONICAL_H
#define TT_INPUT_CANONICAL_H

#include <stdint.h>

#include "chem/rdkit.h"
#include "core/status.h"
#include "input/input.h"

typedef struct {
  char *smiles;
  float *coordinates; // (conformers, atoms, 3), Angstrom, in the atom order of tt_chem_make(smiles); NULL:
                      // they are still to be generated
  uint32_t atoms, conformers; // 0 without coordinates
} tt_canonical;

// TT_ERR_DATA: the record cannot be used, and the message is "kind: detail" (store/rejects.h). TT_ERR_MEMORY,
// TT_ERR_UNSUPPORTED (no RDKit). *canonical is zeroed then.
tt_status tt_canonical_read(const tt_input_record *record, tt_input_kind kind, const tt_chem_recipe *recipe,
                            tt_canonical *canonical);
void tt_canonical_free(tt_canonical *canonical); // fine on a zeroed one

#endif
