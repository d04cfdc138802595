#include "input/canonical.h"

#include <stdlib.h>
#include <string.h>

#include "input/unimol.h"
#include "input/xyz.h"

void tt_canonical_free(tt_canonical *c) {
  free(c->smiles), free(c->coordinates);
  memset(c, 0, sizeof *c);
}

static tt_status read_unimol(const tt_input_record *record, const tt_chem_recipe *recipe, tt_canonical *c) {
  tt_unimol u;
  tt_status status = tt_unimol_read(record->text, record->length, &u);
  if (status == TT_OK) {
    tt_chem_geometry given = {u.atoms, u.conformers, u.numbers, u.coordinates};
    status = tt_chem_canonical_given(u.smiles, u.smiles_length, &given, recipe, &c->smiles, &c->coordinates,
                                     &c->atoms);
    if (status == TT_OK) c->conformers = u.conformers;
  }
  tt_unimol_free(&u);
  return status;
}

static tt_status read_xyz(const tt_input_record *record, const tt_chem_recipe *recipe, tt_canonical *c) {
  tt_xyz frame;
  tt_bonds bonds = {0};
  tt_status status = tt_xyz_read(record->text, record->length, &frame);
  if (status == TT_OK)
    status = tt_bonds_perceive(frame.atoms, frame.numbers, frame.coordinates, frame.charge, &bonds);
  if (status == TT_OK) {
    tt_chem_geometry given = {frame.atoms, 1, frame.numbers, frame.coordinates};
    status = tt_chem_canonical_bonds(&given, &bonds, recipe, &c->smiles, &c->coordinates, &c->atoms);
    if (status == TT_OK) c->conformers = 1;
  }
  tt_bonds_free(&bonds), tt_xyz_free(&frame);
  return status;
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
  case TT_INPUT_LMDB:
    return read_unimol(record, recipe, c);
  case TT_INPUT_XYZ:
    return read_xyz(record, recipe, c);
  }
  return tt_fail(TT_ERR_ARGUMENT, "no such kind of input: %d", (int)kind);
}
