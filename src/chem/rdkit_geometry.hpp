// 3-D and 2-D coordinates of a molecule that carries its hydrogens.
#ifndef TT_CHEM_RDKIT_GEOMETRY_HPP
#define TT_CHEM_RDKIT_GEOMETRY_HPP

#include <GraphMol/RWMol.h>

#include <cstdint>

extern "C" {
#include "chem/rdkit.h"
}

// Replaces the molecule's conformers by up to recipe.conformers new ones (at least 1, else throws Refusal).
// Conformer c depends on (molecule, seed, c) alone.
tt_geometry generate_conformers(RDKit::RWMol &molecule, const tt_chem_recipe &recipe, std::uint64_t seed);

// Replaces the molecule's conformers by one flat drawing.
void generate_drawing(RDKit::RWMol &molecule);

#endif
