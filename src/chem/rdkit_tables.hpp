// The OGB feature tables: a property's place in its list. "misc", where a table has it, is the last place.
#ifndef TT_CHEM_RDKIT_TABLES_HPP
#define TT_CHEM_RDKIT_TABLES_HPP

#include <GraphMol/RDKitBase.h>

#include <cstdint>

#include "rdkit_refusal.hpp"

inline std::uint8_t range_index(int value, int low, int high) {
  return static_cast<std::uint8_t>(value >= low && value <= high ? value - low : high - low + 1);
}

inline std::uint8_t chirality_index(const RDKit::Atom &atom) {
  switch (atom.getChiralTag()) {
  case RDKit::Atom::CHI_UNSPECIFIED:
    return 0;
  case RDKit::Atom::CHI_TETRAHEDRAL_CW:
    return 1;
  case RDKit::Atom::CHI_TETRAHEDRAL_CCW:
    return 2;
  case RDKit::Atom::CHI_TRIGONALBIPYRAMIDAL:
    return 3;
  case RDKit::Atom::CHI_OCTAHEDRAL:
    return 4;
  case RDKit::Atom::CHI_SQUAREPLANAR:
    return 5;
  case RDKit::Atom::CHI_OTHER:
    return 6;
  default:
    throw Refusal("chirality",
                  "atom " + std::to_string(atom.getIdx()) + " has a kind that no feature stands for");
  }
}

inline std::uint8_t hybridisation_index(const RDKit::Atom &atom) {
  switch (atom.getHybridization()) {
  case RDKit::Atom::SP:
    return 0;
  case RDKit::Atom::SP2:
    return 1;
  case RDKit::Atom::SP3:
    return 2;
  case RDKit::Atom::SP3D:
    return 3;
  case RDKit::Atom::SP3D2:
    return 4;
  default:
    return 5;
  }
}

inline std::uint8_t bond_type_index(const RDKit::Bond &bond) {
  switch (bond.getBondType()) {
  case RDKit::Bond::SINGLE:
    return 0;
  case RDKit::Bond::DOUBLE:
    return 1;
  case RDKit::Bond::TRIPLE:
    return 2;
  case RDKit::Bond::AROMATIC:
    return 3;
  default:
    return 4;
  }
}

inline std::uint8_t bond_stereo_index(const RDKit::Bond &bond) {
  switch (bond.getStereo()) {
  case RDKit::Bond::STEREONONE:
    return 0;
  case RDKit::Bond::STEREOZ:
    return 1;
  case RDKit::Bond::STEREOE:
    return 2;
  case RDKit::Bond::STEREOCIS:
    return 3;
  case RDKit::Bond::STEREOTRANS:
    return 4;
  case RDKit::Bond::STEREOANY:
    return 5;
  default:
    throw Refusal("stereo",
                  "bond " + std::to_string(bond.getIdx()) + " has a kind that no feature stands for");
  }
}

// The 9 features of an atom and the 3 of a bond, in the order of TT_ATOM_FEATURES and TT_BOND_FEATURES.
inline void atom_features(const RDKit::Atom &atom, std::uint8_t *out) {
  const RDKit::RingInfo *rings = atom.getOwningMol().getRingInfo();
  out[0] = range_index(atom.getAtomicNum(), 1, 118);
  out[1] = chirality_index(atom);
  out[2] = range_index(static_cast<int>(atom.getTotalDegree()), 0, 10);
  out[3] = range_index(atom.getFormalCharge(), -5, 5);
  out[4] = range_index(static_cast<int>(atom.getTotalNumHs()), 0, 8);
  out[5] = range_index(static_cast<int>(atom.getNumRadicalElectrons()), 0, 4);
  out[6] = hybridisation_index(atom);
  out[7] = atom.getIsAromatic();
  out[8] = rings->numAtomRings(atom.getIdx()) != 0;
}

inline void bond_features(const RDKit::Bond &bond, std::uint8_t *out) {
  out[0] = bond_type_index(bond);
  out[1] = bond_stereo_index(bond);
  out[2] = bond.getIsConjugated();
}

#endif
