// What the chem room's C++ files share: texts to RDKit molecules, checks of size, and the way out into C.
#ifndef TT_CHEM_RDKIT_MOLECULE_HPP
#define TT_CHEM_RDKIT_MOLECULE_HPP

#include <GraphMol/RWMol.h>
#include <GraphMol/SanitException.h>

#include <memory>
#include <new>
#include <string>

#include "rdkit_refusal.hpp"

extern "C" {
#include "chem/rdkit.h"
}

using Molecule = std::unique_ptr<RDKit::RWMol>;

void silence_log();

// Runs `body`; whatever it throws becomes a status, so that nothing crosses into C.
template <class Body> tt_status guarded(Body body) {
  try {
    silence_log();
    body();
    return TT_OK;
  } catch (const Refusal &e) {
    return tt_fail(TT_ERR_DATA, "%s", e.what());
  } catch (const RDKit::MolSanitizeException &e) {
    return tt_fail(TT_ERR_DATA, "chemistry: %s", e.what());
  } catch (const std::bad_alloc &) {
    return tt_fail(TT_ERR_MEMORY, "out of memory in RDKit");
  } catch (const std::exception &e) {
    return tt_fail(TT_ERR_DATA, "RDKit: %s", e.what());
  } catch (...) {
    return tt_fail(TT_ERR_DATA, "RDKit: an error without a text");
  }
}

unsigned heavy_atoms(const RDKit::ROMol &molecule);

// Throw Refusal when a molecule is larger than the recipe allows, or has atoms that are no elements.
void check_size(unsigned atoms, const tt_chem_recipe &recipe);
void check_composition(const RDKit::ROMol &molecule, const tt_chem_recipe &recipe);

// Parses, sanitises and checks a SMILES; ordinary hydrogens are removed.
Molecule parse_smiles(const std::string &smiles, const tt_chem_recipe &recipe);

char *copied(const std::string &text); // malloc'ed

#endif
