// From a SMILES to the record of its molecule. Coordinates: rdkit_geometry.cpp; features: rdkit_tables.hpp.
#include <GraphMol/ChemTransforms/ChemTransforms.h>
#include <GraphMol/MolOps.h>
#include <GraphMol/SmilesParse/SmilesWrite.h>
#include <RDGeneral/versions.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "rdkit_geometry.hpp"
#include "rdkit_molecule.hpp"
#include "rdkit_tables.hpp"

namespace {

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
