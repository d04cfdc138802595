#include "store/canonical.h"

#include <stdlib.h>
#include <string.h>

void tt_canonical_free(tt_canonical *c) {
  free(c->smiles), free(c->coordinates);
  memset(c, 0, sizeof *c);
}

tt_status tt_canonical_read(const tt_input_record *record, tt_input_kind kind, const tt_chem_recipe *recipe,
                            tt_canonical *c) {
  memset(c, 0, sizeof *c);
  switch (kind) {
  case TT_INPUT_SMILES:
    return tt_chem_canonical(record->text, record->length, recipe, &c->smiles);
  case TT_INPUT_SDF:
    TT_TRY(
        tt_chem_canonical_sdf(record->text, record->length, recipe, &c->smiles, &c->coordinates, &c->atoms));
    c->conformers = 1;
    return TT_OK;
  }
  return tt_fail(TT_ERR_ARGUMENT, "no such kind of input: %d", (int)kind);
}
