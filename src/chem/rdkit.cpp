// The C boundary: texts to RDKit molecules to records. Coordinates: rdkit_geometry.cpp; features:
// rdkit_tables.hpp.
#include <GraphMol/ChemTransforms/ChemTransforms.h>
#include <GraphMol/FileParsers/FileParsers.h>
#include <GraphMol/MolOps.h>
#include <GraphMol/SmilesParse/SmilesParse.h>
#include <GraphMol/SmilesParse/SmilesWrite.h>
#include <RDGeneral/RDLog.h>
#include <RDGeneral/versions.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "rdkit_geometry.hpp"
#include "rdkit_refusal.hpp"
#include "rdkit_tables.hpp"

namespace {

using Molecule = std::unique_ptr<RDKit::RWMol>;

void silence_log() {
  static std::once_flag once;
  std::call_once(once, [] {
    RDLog::InitLogs();
    boost::logging::disable_logs("rdApp.*");
  });
}

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

// Guards of RDKit's recursive passes against absurd input: far more text than a molecule of that size can
// have.
size_t longest_smiles(const tt_chem_recipe &recipe) {
  return 1024 + 32 * static_cast<size_t>(recipe.max_atoms);
}
size_t longest_block(const tt_chem_recipe &recipe) {
  return 16384 + 1024 * static_cast<size_t>(recipe.max_atoms);
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

// Scaffold of a molecule without hydrogens: rings and what links them, stereochemistry ignored (scaffold
// splits are customarily made so).
std::uint64_t scaffold_hash(const RDKit::ROMol &molecule) {
  std::unique_ptr<RDKit::ROMol> scaffold(RDKit::MurckoDecompose(molecule));
  if (!scaffold || scaffold->getNumAtoms() == 0) return 0;
  std::string smiles = RDKit::MolToSmiles(*scaffold, false);
  std::uint64_t hash = XXH3_64bits(smiles.data(), smiles.size());
  return hash ? hash : 1;
}

// The coordinates of the atoms that a record keeps, conformer by conformer.
std::vector<float> kept_coordinates(const RDKit::ROMol &full, bool hydrogens) {
  std::vector<float> out;
  for (auto c = full.beginConformers(); c != full.endConformers(); ++c)
    for (const auto *atom : full.atoms()) {
      if (!hydrogens && atom->getAtomicNum() == 1) continue;
      const auto &p = (*c)->getAtomPos(atom->getIdx());
      for (double x : {p.x, p.y, p.z}) {
        if (!std::isfinite(static_cast<float>(x))) throw Refusal("coordinates", "not finite");
        out.push_back(static_cast<float>(x));
      }
    }
  return out;
}

// Lays a record out in one block of memory: widest elements first, so that everything is aligned.
void fill_record(tt_chem_record *record, const RDKit::ROMol &graph, const std::string &smiles,
                 std::uint64_t scaffold, const std::vector<float> &coordinates,
                 const std::vector<float> &coordinates_2d) {
  size_t atoms = graph.getNumAtoms(), bonds = graph.getNumBonds();
  size_t floats = coordinates.size() + coordinates_2d.size();
  size_t bytes = floats * sizeof(float) + bonds * 2 * sizeof(std::uint16_t) + atoms * TT_ATOM_FEATURES +
                 bonds * TT_BOND_FEATURES + smiles.size();
  std::unique_ptr<void, decltype(&std::free)> memory(std::calloc(bytes, 1), std::free);
  if (!memory) throw std::bad_alloc();
  float *xyz = static_cast<float *>(memory.get()), *flat = xyz + coordinates.size();
  auto *ends = reinterpret_cast<std::uint16_t *>(xyz + floats);
  auto *atom_out = reinterpret_cast<std::uint8_t *>(ends + 2 * bonds);
  auto *bond_out = atom_out + atoms * TT_ATOM_FEATURES;
  auto *text = reinterpret_cast<char *>(bond_out + bonds * TT_BOND_FEATURES);
  std::copy(coordinates.begin(), coordinates.end(), xyz);
  std::copy(coordinates_2d.begin(), coordinates_2d.end(), flat);
  for (const auto *atom : graph.atoms()) atom_features(*atom, atom_out + atom->getIdx() * TT_ATOM_FEATURES);
  for (const auto *bond : graph.bonds()) {
    ends[2 * bond->getIdx()] = static_cast<std::uint16_t>(bond->getBeginAtomIdx());
    ends[2 * bond->getIdx() + 1] = static_cast<std::uint16_t>(bond->getEndAtomIdx());
    bond_features(*bond, bond_out + bond->getIdx() * TT_BOND_FEATURES);
  }
  std::copy(smiles.begin(), smiles.end(), text);

  tt_molecule &m = record->molecule;
  m.atoms = static_cast<std::uint32_t>(atoms);
  m.bonds = static_cast<std::uint32_t>(bonds);
  m.conformers = static_cast<std::uint32_t>(coordinates.size() / (3 * atoms));
  m.atom_features = atom_out;
  m.bond_atoms = ends;
  m.bond_features = bond_out;
  m.coordinates = coordinates.empty() ? nullptr : xyz;
  m.coordinates_2d = coordinates_2d.empty() ? nullptr : flat;
  m.smiles = text;
  m.smiles_length = static_cast<std::uint32_t>(smiles.size());
  m.scaffold = scaffold;
  record->memory_ = memory.release();
}

struct Given {
  const float *coordinates;
  std::uint32_t conformers, atoms;
};

void make(tt_chem_record *record, const char *text, const tt_chem_recipe &recipe, std::uint64_t seed,
          const Given *given) {
  std::string smiles(text);
  Molecule full = parse_smiles(smiles, recipe);
  RDKit::MolOps::addHs(*full);
  RDKit::RWMol bare(*full);
  RDKit::MolOps::removeAllHs(bare); // also sanitises again, as upstream does
  const RDKit::RWMol &graph = recipe.hydrogens ? *full : bare;
  // a record's rows are matched to the coordinates' by "every atom but hydrogen, in order"
  if (bare.getNumAtoms() != heavy_atoms(*full)) throw Refusal("hydrogens", "some cannot be taken off");
  if (graph.getNumAtoms() > static_cast<unsigned>(recipe.max_atoms))
    throw Refusal("too many atoms", std::to_string(graph.getNumAtoms()) + " with hydrogens");

  std::vector<float> coordinates, flat;
  if (given) {
    if (given->atoms != graph.getNumAtoms())
      throw Refusal("coordinates", "for " + std::to_string(given->atoms) + " atoms, the molecule has " +
                                       std::to_string(graph.getNumAtoms()));
    coordinates.assign(given->coordinates,
                       given->coordinates + static_cast<size_t>(given->conformers) * given->atoms * 3);
    record->geometry = TT_GEOMETRY_GIVEN;
  } else if (recipe.conformers > 0) {
    record->geometry = generate_conformers(*full, recipe, seed);
    coordinates = kept_coordinates(*full, recipe.hydrogens);
  }
  if (recipe.coordinates_2d) {
    generate_drawing(*full);
    flat = kept_coordinates(*full, recipe.hydrogens);
  }
  fill_record(record, graph, smiles, scaffold_hash(bare), coordinates, flat);
}

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

void canonical_sdf(const std::string &block, const tt_chem_recipe &recipe, std::string &smiles,
                   std::vector<float> &xyz) {
  Molecule file(RDKit::MolBlockToMol(block, true, false));
  if (!file) throw Refusal("parse", "not a mol block");
  check_composition(*file, recipe);
  if (file->getNumConformers() == 0 || !file->getConformer().is3D())
    throw Refusal("coordinates", "the record has none in 3-D (embed its SMILES instead: --smiles)");
  const char *tag = "tt_index"; // survives the removal of hydrogens
  if (recipe.hydrogens) RDKit::MolOps::addHs(*file, false, true);
  for (auto *atom : file->atoms()) atom->setProp(tag, atom->getIdx());
  RDKit::RWMol light(*file);
  RDKit::MolOps::removeHs(light);
  smiles = RDKit::MolToSmiles(light);
  std::vector<unsigned> written, heavy_order;
  light.getProp(RDKit::common_properties::_smilesAtomOutputOrder, written);
  for (unsigned i : written)
    if (light.getAtomWithIdx(i)->getAtomicNum() != 1)
      heavy_order.push_back(light.getAtomWithIdx(i)->getProp<unsigned>(tag));

  const auto &conformer = file->getConformer();
  for (unsigned i : order_in_record(*file, heavy_order, smiles, recipe)) {
    const auto &p = conformer.getAtomPos(i);
    for (double x : {p.x, p.y, p.z}) {
      if (!std::isfinite(static_cast<float>(x))) throw Refusal("coordinates", "not finite");
      xyz.push_back(static_cast<float>(x));
    }
  }
  if (absurdly_wide(xyz)) throw Refusal("coordinates", "atoms are more than 2000 Angstrom apart");
  if (all_in_one_place(xyz)) throw Refusal("coordinates", "all atoms are in one place");
}

} // namespace

extern "C" {

tt_chem_recipe tt_chem_recipe_default(void) {
  tt_chem_recipe recipe = {};
  recipe.max_atoms = 256;
  recipe.conformers = 1;
  recipe.embed_iterations = 50;
  recipe.optimise_iterations = 200;
  return recipe;
}

void tt_chem_record_free(tt_chem_record *record) {
  std::free(record->memory_);
  *record = {};
}

const char *tt_chem_toolkit(void) {
  static const std::string name = std::string("RDKit ") + RDKit::rdkitVersion;
  return name.c_str();
}

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
    std::string smiles;
    std::vector<float> xyz;
    canonical_sdf(mol_block_of(block, length, *recipe), *recipe, smiles, xyz);
    std::unique_ptr<float, decltype(&std::free)> copy(
        static_cast<float *>(std::malloc(xyz.size() * sizeof(float))), std::free);
    if (!copy) throw std::bad_alloc();
    std::copy(xyz.begin(), xyz.end(), copy.get());
    *canonical = copied(smiles);
    *coordinates = copy.release();
    *atoms = static_cast<uint32_t>(xyz.size() / 3);
  });
}

tt_status tt_chem_make(tt_chem_record *record, const char *smiles, const tt_chem_recipe *recipe,
                       uint64_t seed) {
  *record = {};
  return guarded([&] { make(record, smiles, *recipe, seed, nullptr); });
}

tt_status tt_chem_make_given(tt_chem_record *record, const char *smiles, const tt_chem_recipe *recipe,
                             const float *coordinates, uint32_t conformers, uint32_t atoms) {
  *record = {};
  Given given = {coordinates, conformers, atoms};
  return guarded([&] { make(record, smiles, *recipe, 0, &given); });
}

} // extern "C"
