// RDKit behind a C header: SMILES and SDF records to molecules as the store holds them.
//
// A text that cannot be used gives TT_ERR_DATA and a reason "kind: detail" as the message (tt_error_message);
// it is a property of the record, so a caller lists it and goes on. Nothing throws, and RDKit's own log is
// silent. A build without RDKit has all of this too: every call gives TT_ERR_UNSUPPORTED.
//
// The same text, recipe and seed give the same bytes with one RDKit version on one kind of CPU: work is
// bounded by iterations, never by time, and runs on one thread.
#ifndef TT_CHEM_RDKIT_H
#define TT_CHEM_RDKIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chem/bonds.h"
#include "chem/molecule.h"
#include "core/status.h"

enum { TT_CHEM_MAX_ATOMS = 1024 }; // largest recipe.max_atoms

typedef struct {
  bool hydrogens;      // keep hydrogen atoms in the record
  bool coordinates_2d; // also make 2-D coordinates
  int max_atoms;       // of the record, 1 .. TT_CHEM_MAX_ATOMS
  int conformers;      // to generate; 0: graph only
  int embed_iterations, optimise_iterations;
} tt_chem_recipe;

// One conformer of at most 256 atoms without hydrogens; 50 embedding attempts and 200 force-field steps.
tt_chem_recipe tt_chem_recipe_default(void);

// Where the coordinates of a record are from.
typedef enum {
  TT_GEOMETRY_NONE,  // graph only
  TT_GEOMETRY_GIVEN, // from the input file
  TT_GEOMETRY_MMFF,  // ETKDGv3, then MMFF94
  TT_GEOMETRY_UFF,   // ETKDGv3, then UFF: MMFF94 lacks parameters for an atom
  TT_GEOMETRY_ETKDG, // ETKDGv3 alone: UFF lacks them too
} tt_geometry;

typedef struct {
  tt_molecule molecule; // views into memory_; molecule.key is 0 until the caller sets it
  tt_geometry geometry;
  void *memory_; // private
} tt_chem_record;

void tt_chem_record_free(tt_chem_record *record); // fine on a zeroed one

// "RDKit 2022.09.3"; NULL in a build without it.
const char *tt_chem_toolkit(void);

// Canonical SMILES (malloc'ed; free it) of a SMILES of `length` printable characters. TT_ERR_DATA when it
// does not parse, has no heavy atom, an atom without an element, or too many atoms for the recipe;
// TT_ERR_MEMORY.
tt_status tt_chem_canonical(const char *smiles, size_t length, const tt_chem_recipe *recipe,
                            char **canonical);

// Same for one record of an SDF file (mol block V2000 or V3000; what follows "M  END" is ignored), with the
// record's own coordinates in Angstrom: (atoms, 3), malloc'ed, in the atom order of tt_chem_make(canonical).
// With recipe.hydrogens, hydrogens that the file leaves out are placed by their bonds. TT_ERR_DATA also for a
// record without 3-D coordinates.
tt_status tt_chem_canonical_sdf(const char *block, size_t length, const tt_chem_recipe *recipe,
                                char **canonical, float **coordinates, uint32_t *atoms);

// What a file says of a molecule's atoms beside its SMILES.
typedef struct {
  uint32_t atoms, conformers;
  const uint8_t *numbers;   // (atoms), atomic numbers
  const float *coordinates; // (conformers, atoms, 3), Angstrom
} tt_chem_geometry;

// Same for a SMILES with geometries: the atoms are the SMILES's in its order, either without hydrogens, or
// with them as RDKit adds them (at the end). Which molecule it is, stereochemistry included, is what the
// SMILES says. *coordinates: (conformers, atoms, 3).
tt_status tt_chem_canonical_given(const char *smiles, size_t length, const tt_chem_geometry *given,
                                  const tt_chem_recipe *recipe, char **canonical, float **coordinates,
                                  uint32_t *atoms);

// Same for atoms of which the bonds are known (all hydrogens are among them); stereochemistry is read off the
// first geometry. TT_ERR_DATA also when RDKit does not accept the bonds.
tt_status tt_chem_canonical_bonds(const tt_chem_geometry *given, const tt_bonds *bonds,
                                  const tt_chem_recipe *recipe, char **canonical, float **coordinates,
                                  uint32_t *atoms);

// The record of a SMILES, in the SMILES's atom order (hydrogens last), as upstream makes its features: parse,
// add hydrogens, remove them all (or keep them). Conformers: ETKDGv3 with the hydrogens (random starting
// coordinates if the usual start fails), MMFF94 or what tt_geometry says, hydrogens dropped. Conformer c is
// drawn from (seed, c): a record may have fewer than recipe.conformers, never 0. Fragments of a salt are
// embedded and relaxed each on its own, as RDKit does by default. TT_ERR_DATA for what tt_chem_canonical
// refuses, chirality outside the tables, a failed embedding; TT_ERR_MEMORY.
tt_status tt_chem_make(tt_chem_record *record, const char *smiles, const tt_chem_recipe *recipe,
                       uint64_t seed);

// Same with `conformers` given geometries of `atoms` atoms each, (conformers, atoms, 3), instead of generated
// ones. TT_ERR_DATA also when the number of atoms differs from the SMILES's.
tt_status tt_chem_make_given(tt_chem_record *record, const char *smiles, const tt_chem_recipe *recipe,
                             const float *coordinates, uint32_t conformers, uint32_t atoms);

#endif
