#include "rdkit_geometry.hpp"

#include <ForceField/ForceField.h>
#include <GraphMol/Depictor/RDDepictor.h>
#include <GraphMol/DistGeomHelpers/Embedder.h>
#include <GraphMol/ForceFieldHelpers/MMFF/AtomTyper.h>
#include <GraphMol/ForceFieldHelpers/MMFF/Builder.h>
#include <GraphMol/ForceFieldHelpers/UFF/AtomTyper.h>
#include <GraphMol/ForceFieldHelpers/UFF/Builder.h>

#include <memory>

#include "rdkit_refusal.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" // compound literals: C, and GNU C++
#include "core/philox.h"
#pragma GCC diagnostic pop

namespace {

// RDKit takes a non-negative int.
int embedding_seed(std::uint64_t seed, int conformer) {
  return static_cast<int>(tt_stream(seed, 0x636f6e66u, static_cast<std::uint64_t>(conformer)) >> 33);
}

// RDKit gives up on some molecules (cages, metal complexes) by throwing: they are failures like others.
template <class Work> bool tried(Work work) {
  try {
    return work();
  } catch (const std::bad_alloc &) {
    throw;
  } catch (const std::exception &) {
    return false;
  }
}

// One conformer more, by its own seed: conformer c stays the same when more of them are asked for.
bool embed(RDKit::RWMol &molecule, const tt_chem_recipe &recipe, std::uint64_t seed, int conformer) {
  RDKit::DGeomHelpers::EmbedParameters parameters = RDKit::DGeomHelpers::ETKDGv3;
  parameters.numThreads = 1;
  parameters.clearConfs = false;
  parameters.maxIterations = static_cast<unsigned>(recipe.embed_iterations);
  parameters.randomSeed = embedding_seed(seed, conformer);
  auto attempt = [&] { return RDKit::DGeomHelpers::EmbedMolecule(molecule, parameters) >= 0; };
  if (tried(attempt)) return true;
  parameters.useRandomCoords =
      true; // gets through where the distance matrix's eigenvectors do not: cages, big rings
  return tried(attempt);
}

using Field = std::unique_ptr<ForceFields::ForceField>;

// Relaxes every conformer in the field that `build` makes for it. False: no such field for this molecule.
template <class Build> bool relax(RDKit::RWMol &molecule, int iterations, Build build) {
  for (auto c = molecule.beginConformers(); c != molecule.endConformers(); ++c) {
    Field field(build(static_cast<int>((*c)->getId())));
    if (!field) return false;
    field->initialize();
    field->minimize(
        static_cast<unsigned>(iterations)); // not converged is fine: the geometry is as good as it got
  }
  return true;
}

bool relax_mmff(RDKit::RWMol &molecule, int iterations) {
  RDKit::MMFF::MMFFMolProperties properties(molecule);
  return properties.isValid() && relax(molecule, iterations, [&](int conformer) {
           return RDKit::MMFF::constructForceField(molecule, &properties, 100.0, conformer);
         });
}

bool relax_uff(RDKit::RWMol &molecule, int iterations) {
  auto types = RDKit::UFF::getAtomTypes(molecule);
  return types.second && relax(molecule, iterations, [&](int conformer) {
           return RDKit::UFF::constructForceField(molecule, types.first, 100.0, conformer);
         });
}

} // namespace

tt_geometry generate_conformers(RDKit::RWMol &molecule, const tt_chem_recipe &recipe, std::uint64_t seed) {
  molecule.clearConformers();
  for (int c = 0; c < recipe.conformers; c++) embed(molecule, recipe, seed, c);
  if (molecule.getNumConformers() == 0)
    throw Refusal("embedding", "no conformer found within the iteration limit");
  // The copy makes a half-done relaxation of one field invisible to the next.
  RDKit::RWMol embedded(molecule);
  if (tried([&] { return relax_mmff(molecule, recipe.optimise_iterations); })) return TT_GEOMETRY_MMFF;
  molecule = embedded;
  if (tried([&] { return relax_uff(molecule, recipe.optimise_iterations); })) return TT_GEOMETRY_UFF;
  molecule = embedded;
  return TT_GEOMETRY_ETKDG;
}

void generate_drawing(RDKit::RWMol &molecule) {
  RDDepict::compute2DCoords(molecule, nullptr, true, true);
}
