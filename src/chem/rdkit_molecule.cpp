#include "rdkit_molecule.hpp"

#include <GraphMol/SmilesParse/SmilesParse.h>
#include <RDGeneral/RDLog.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

void silence_log() {
  static std::once_flag once;
  std::call_once(once, [] {
    RDLog::InitLogs();
    boost::logging::disable_logs("rdApp.*");
  });
}

// Guards RDKit's recursive passes against absurd input: far more text than a molecule of that size can have.
static size_t longest_smiles(const tt_chem_recipe &recipe) {
  return 1024 + 32 * static_cast<size_t>(recipe.max_atoms);
}

unsigned heavy_atoms(const RDKit::ROMol &molecule) {
  unsigned heavy = 0;
  for (const auto *atom : molecule.atoms()) heavy += atom->getAtomicNum() != 1;
  return heavy;
}

void check_size(unsigned atoms, const tt_chem_recipe &recipe) {
  if (atoms > static_cast<unsigned>(recipe.max_atoms))
    throw Refusal("too many atoms",
                  std::to_string(atoms) + ", the limit is " + std::to_string(recipe.max_atoms));
}

void check_composition(const RDKit::ROMol &molecule, const tt_chem_recipe &recipe) {
  for (const auto *atom : molecule.atoms())
    if (atom->getAtomicNum() < 1 || atom->getAtomicNum() > 118)
      throw Refusal("element", "atom " + std::to_string(atom->getIdx()) + " is not an element");
  unsigned heavy = heavy_atoms(molecule), atoms = heavy;
  if (recipe.hydrogens) // attached hydrogens, as atoms or implied
    for (const auto *atom : molecule.atoms())
      if (atom->getAtomicNum() != 1) atoms += atom->getTotalNumHs(true);
  if (heavy == 0) throw Refusal("no heavy atoms", "nothing is left without hydrogens");
  check_size(atoms, recipe);
}

Molecule parse_smiles(const std::string &smiles, const tt_chem_recipe &recipe) {
  if (smiles.empty()) throw Refusal("parse", "no SMILES");
  if (smiles.size() > longest_smiles(recipe))
    throw Refusal("too many atoms", "a SMILES of " + std::to_string(smiles.size()) + " characters");
  for (unsigned char c : smiles)
    if (c <= ' ' || c > '~') throw Refusal("parse", "a character that no SMILES has");
  RDKit::SmilesParserParams parameters;
  parameters.allowCXSMILES = false;
  parameters.parseName = false;
  if (smiles.size() >
      static_cast<size_t>(recipe.max_atoms)) { // count first: perception is slow in huge molecules
    parameters.sanitize = parameters.removeHs = false;
    Molecule raw(RDKit::SmilesToMol(smiles, parameters));
    if (raw) check_size(heavy_atoms(*raw), recipe);
    parameters.sanitize = parameters.removeHs = true;
  }
  Molecule molecule(RDKit::SmilesToMol(smiles, parameters));
  if (!molecule) throw Refusal("parse", "not a SMILES");
  check_composition(*molecule, recipe);
  return molecule;
}

char *copied(const std::string &text) {
  char *copy = static_cast<char *>(std::malloc(text.size() + 1));
  if (!copy) throw std::bad_alloc();
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}
