// What the C++ files throw when a molecule cannot be used; the C boundary turns it into TT_ERR_DATA.
#ifndef TT_CHEM_RDKIT_REFUSAL_HPP
#define TT_CHEM_RDKIT_REFUSAL_HPP

#include <stdexcept>
#include <string>

struct Refusal : std::runtime_error {
  Refusal(const std::string &kind, const std::string &detail) : std::runtime_error(kind + ": " + detail) {}
};

#endif
