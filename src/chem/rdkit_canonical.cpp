// From records of files to canonical SMILES, and geometries brought to their order.
#include <GraphMol/FileParsers/FileParsers.h>
#include <GraphMol/MolOps.h>
#include <GraphMol/SmilesParse/SmilesWrite.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "rdkit_molecule.hpp"

namespace {

std::vector<const RDKit::Atom *> hydrogens_of(const RDKit::ROMol &molecule, const RDKit::Atom *atom) {
  std::vector<const RDKit::Atom *> out;
  for (const auto *neighbour : molecule.atomNeighbors(atom))
    if (neighbour->getAtomicNum() == 1) out.push_back(neighbour);
  std::sort(out.begin(), out.end(), [](const auto *a, const auto *b) { return a->getIdx() < b->getIdx(); });
  return out;
}

// The atoms of `file` in the order of make(smiles): heavy atoms in the SMILES's order, hydrogens as addHs
// puts them.
std::vector<unsigned> order_in_record(const RDKit::ROMol &file, const std::vector<unsigned> &heavy_order,
                                      const std::string &smiles, const tt_chem_recipe &recipe) {
  Molecule full = parse_smiles(smiles, recipe);
  RDKit::MolOps::addHs(*full);
  if (heavy_atoms(*full) != heavy_order.size())
    throw Refusal("parse", "the canonical SMILES reads back differently");
  std::vector<int> place(full->getNumAtoms(), -1);
  size_t next = 0;
  for (const auto *atom : full->atoms()) {
    if (atom->getAtomicNum() == 1) continue;
    const auto *in_file = file.getAtomWithIdx(heavy_order[next++]);
    if (in_file->getAtomicNum() != atom->getAtomicNum())
      throw Refusal("parse", "the canonical SMILES reads back differently");
    place[atom->getIdx()] = static_cast<int>(in_file->getIdx());
    if (!recipe.hydrogens) continue;
    auto ours = hydrogens_of(*full, atom), theirs = hydrogens_of(file, in_file);
    if (ours.size() != theirs.size()) throw Refusal("hydrogens", "the file's do not fit the structure");
    for (size_t h = 0; h < ours.size(); h++) place[ours[h]->getIdx()] = static_cast<int>(theirs[h]->getIdx());
  }
  std::vector<unsigned> order;
  for (const auto *atom : full->atoms()) {
    if (!recipe.hydrogens && atom->getAtomicNum() == 1) continue;
    if (place[atom->getIdx()] < 0) throw Refusal("hydrogens", "one is bound to no heavy atom");
    order.push_back(static_cast<unsigned>(place[atom->getIdx()]));
  }
  return order;
}

bool all_in_one_place(const std::vector<float> &xyz) {
  for (size_t i = 3; i < xyz.size(); i++)
    if (xyz[i] != xyz[i % 3]) return false;
  return xyz.size() > 3;
}

// Wider than any molecule of 1024 atoms that hangs together: coordinates of a damaged file, whose distances
// would swamp the losses.
bool absurdly_wide(const std::vector<float> &xyz) {
  float low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
  for (size_t i = 0; i < xyz.size(); i++)
    low[i % 3] = std::min(low[i % 3], xyz[i]), high[i % 3] = std::max(high[i % 3], xyz[i]);
  for (int a = 0; a < 3; a++)
    if (high[a] - low[a] > 2000) return true;
  return false;
}

// A guard, as for SMILES.
size_t longest_block(const tt_chem_recipe &recipe) {
  return 16384 + 1024 * static_cast<size_t>(recipe.max_atoms);
}

std::string mol_block_of(const char *text, size_t length, const tt_chem_recipe &recipe) {
  std::string block(text, length);
  size_t end = block.find("M  END");
  if (end == std::string::npos) throw Refusal("parse", "a mol block without \"M  END\"");
  block.resize(end + 6);
  block += '\n';
  if (block.size() > longest_block(recipe))
    throw Refusal("too many atoms", "a mol block of " + std::to_string(block.size()) + " bytes");
  return block;
}

struct Canonical {
  std::string smiles;
  std::vector<float> xyz; // of all conformers
};

const char *const tag = "tt_index"; // of an atom: survives the removal of hydrogens

void tag_atoms(RDKit::RWMol &molecule) {
  for (auto *atom : molecule.atoms()) atom->setProp(tag, atom->getIdx());
}

// `light` is the molecule without ordinary hydrogens, `full` the one with the conformers and, for a recipe
// that keeps them, all hydrogens; the tags of light's atoms are their numbers in full.
Canonical canonical_of(RDKit::RWMol &light, const RDKit::RWMol &full, const tt_chem_recipe &recipe) {
  Canonical out;
  out.smiles = RDKit::MolToSmiles(light);
  std::vector<unsigned> written, heavy_order;
  light.getProp(RDKit::common_properties::_smilesAtomOutputOrder, written);
  for (unsigned i : written)
    if (light.getAtomWithIdx(i)->getAtomicNum() != 1)
      heavy_order.push_back(light.getAtomWithIdx(i)->getProp<unsigned>(tag));
  auto order = order_in_record(full, heavy_order, out.smiles, recipe);
  for (auto c = full.beginConformers(); c != full.endConformers(); ++c) {
    std::vector<float> xyz;
    for (unsigned i : order) {
      const auto &p = (*c)->getAtomPos(i);
      for (double x : {p.x, p.y, p.z}) {
        if (!std::isfinite(static_cast<float>(x))) throw Refusal("coordinates", "not finite");
        xyz.push_back(static_cast<float>(x));
      }
    }
    if (absurdly_wide(xyz)) throw Refusal("coordinates", "atoms are more than 2000 Angstrom apart");
    if (all_in_one_place(xyz)) throw Refusal("coordinates", "all atoms are in one place");
    out.xyz.insert(out.xyz.end(), xyz.begin(), xyz.end());
  }
  return out;
}

Canonical canonical_sdf(const std::string &block, const tt_chem_recipe &recipe) {
  Molecule file(RDKit::MolBlockToMol(block, true, false));
  if (!file) throw Refusal("parse", "not a mol block");
  check_composition(*file, recipe);
  if (file->getNumConformers() == 0 || !file->getConformer().is3D())
    throw Refusal("coordinates", "the record has none in 3-D (embed its SMILES instead: --smiles)");
  if (recipe.hydrogens) RDKit::MolOps::addHs(*file, false, true);
  tag_atoms(*file);
  RDKit::RWMol light(*file);
  RDKit::MolOps::removeHs(light);
  return canonical_of(light, *file, recipe);
}

void add_conformer(RDKit::RWMol &molecule, const float *xyz) {
  auto *conformer = new RDKit::Conformer(molecule.getNumAtoms());
  conformer->set3D(true);
  for (unsigned i = 0; i < molecule.getNumAtoms(); i++)
    conformer->setAtomPos(i, RDGeom::Point3D(xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]));
  molecule.addConformer(conformer, true); // which owns it from here on
}

// Are these the given elements, in their order?
bool same_elements(const RDKit::ROMol &molecule, const tt_chem_geometry &given) {
  if (molecule.getNumAtoms() != given.atoms) return false;
  for (const auto *atom : molecule.atoms())
    if (atom->getAtomicNum() != given.numbers[atom->getIdx()]) return false;
  return true;
}

Canonical canonical_given(const std::string &smiles, const tt_chem_geometry &given,
                          const tt_chem_recipe &recipe) {
  Molecule light = parse_smiles(smiles, recipe);
  tag_atoms(*light);
  RDKit::RWMol full(*light);
  bool without_hydrogens = same_elements(full, given); // also when the molecule has none
  if (!without_hydrogens) {
    RDKit::MolOps::addHs(full);
    if (!same_elements(full, given))
      throw Refusal("atoms", "the record's are not those of its SMILES, with hydrogens last or without them");
  }
  for (std::uint32_t c = 0; c < given.conformers; c++)
    add_conformer(full, given.coordinates + static_cast<size_t>(c) * given.atoms * 3);
  if (without_hydrogens && recipe.hydrogens) RDKit::MolOps::addHs(full, false, true);
  return canonical_of(*light, full, recipe);
}

Canonical canonical_bonds(const tt_chem_geometry &given, const tt_bonds &bonds,
                          const tt_chem_recipe &recipe) {
  static const RDKit::Bond::BondType types[] = {RDKit::Bond::SINGLE, RDKit::Bond::DOUBLE,
                                                RDKit::Bond::TRIPLE};
  RDKit::RWMol full;
  for (std::uint32_t i = 0; i < given.atoms; i++) {
    auto *atom = new RDKit::Atom(given.numbers[i]);
    atom->setFormalCharge(bonds.charges[i]);
    atom->setNoImplicit(true);
    full.addAtom(atom, false, true); // which owns it from here on
  }
  for (std::uint32_t k = 0; k < bonds.count; k++)
    full.addBond(bonds.bonds[k].first, bonds.bonds[k].second, types[bonds.bonds[k].order - 1]);
  for (std::uint32_t c = 0; c < given.conformers; c++)
    add_conformer(full, given.coordinates + static_cast<size_t>(c) * given.atoms * 3);
  check_size(heavy_atoms(full), recipe);
  RDKit::MolOps::sanitizeMol(full);
  for (auto *atom : full.atoms()) atom->setNoImplicit(false);
  full.updatePropertyCache();
  for (const auto *atom : full.atoms())
    if (atom->getTotalNumHs(false) != 0 || atom->getNumRadicalElectrons() != 0)
      throw Refusal("hydrogens",
                    "atom " + std::to_string(atom->getIdx() + 1) + " lacks one, or is a radical");
  check_composition(full, recipe);
  RDKit::MolOps::assignStereochemistryFrom3D(full);
  tag_atoms(full);
  RDKit::RWMol light(full);
  RDKit::MolOps::removeHs(light);
  return canonical_of(light, full, recipe);
}

void hand_out(const Canonical &from, char **canonical, float **coordinates) {
  std::unique_ptr<float, decltype(&std::free)> copy(
      static_cast<float *>(std::malloc(from.xyz.size() * sizeof(float))), std::free);
  if (!copy) throw std::bad_alloc();
  std::copy(from.xyz.begin(), from.xyz.end(), copy.get());
  *canonical = copied(from.smiles);
  *coordinates = copy.release();
}

} // namespace

extern "C" {

tt_status tt_chem_canonical(const char *smiles, size_t length, const tt_chem_recipe *recipe,
                            char **canonical) {
  *canonical = nullptr;
  return guarded([&] {
    Molecule molecule = parse_smiles(std::string(smiles, length), *recipe);
    *canonical = copied(RDKit::MolToSmiles(*molecule));
  });
}

tt_status tt_chem_canonical_sdf(const char *block, size_t length, const tt_chem_recipe *recipe,
                                char **canonical, float **coordinates, uint32_t *atoms) {
  *canonical = nullptr, *coordinates = nullptr, *atoms = 0;
  return guarded([&] {
    Canonical found = canonical_sdf(mol_block_of(block, length, *recipe), *recipe);
    hand_out(found, canonical, coordinates);
    *atoms = static_cast<uint32_t>(found.xyz.size() / 3);
  });
}

tt_status tt_chem_canonical_given(const char *smiles, size_t length, const tt_chem_geometry *given,
                                  const tt_chem_recipe *recipe, char **canonical, float **coordinates,
                                  uint32_t *atoms) {
  *canonical = nullptr, *coordinates = nullptr, *atoms = 0;
  return guarded([&] {
    if (given->conformers == 0) throw Refusal("coordinates", "the record has none");
    Canonical found = canonical_given(std::string(smiles, length), *given, *recipe);
    hand_out(found, canonical, coordinates);
    *atoms = static_cast<uint32_t>(found.xyz.size() / 3 / given->conformers);
  });
}

tt_status tt_chem_canonical_bonds(const tt_chem_geometry *given, const tt_bonds *bonds,
                                  const tt_chem_recipe *recipe, char **canonical, float **coordinates,
                                  uint32_t *atoms) {
  *canonical = nullptr, *coordinates = nullptr, *atoms = 0;
  return guarded([&] {
    Canonical found = canonical_bonds(*given, *bonds, *recipe);
    hand_out(found, canonical, coordinates);
    *atoms = static_cast<uint32_t>(found.xyz.size() / 3 / given->conformers);
  });
}

} // extern "C"
