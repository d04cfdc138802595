// The chem room of a build without RDKit: everything that needs it says so.
#include <string.h>

#include "chem/rdkit.h"

static tt_status absent(void) {
  return tt_fail(TT_ERR_UNSUPPORTED,
                 "this build of twotrack has no RDKit, which making molecules needs; install it "
                 "(Debian: librdkit-dev rdkit-data libboost-dev) and set up with -Drdkit=enabled");
}

tt_chem_recipe tt_chem_recipe_default(void) {
  return (tt_chem_recipe){
      .max_atoms = 256, .conformers = 1, .embed_iterations = 50, .optimise_iterations = 200};
}

void tt_chem_record_free(tt_chem_record *record) {
  memset(record, 0, sizeof *record);
}

const char *tt_chem_toolkit(void) {
  return NULL;
}

tt_status tt_chem_canonical(const char *smiles, size_t length, const tt_chem_recipe *recipe,
                            char **canonical) {
  (void)smiles, (void)length, (void)recipe, (void)canonical;
  return absent();
}

tt_status tt_chem_canonical_sdf(const char *block, size_t length, const tt_chem_recipe *recipe,
                                char **canonical, float **coordinates, uint32_t *atoms) {
  (void)block, (void)length, (void)recipe, (void)canonical, (void)coordinates, (void)atoms;
  return absent();
}

tt_status tt_chem_canonical_given(const char *smiles, size_t length, const tt_chem_geometry *given,
                                  const tt_chem_recipe *recipe, char **canonical, float **coordinates,
                                  uint32_t *atoms) {
  (void)smiles, (void)length, (void)given, (void)recipe, (void)canonical, (void)coordinates, (void)atoms;
  return absent();
}

tt_status tt_chem_canonical_bonds(const tt_chem_geometry *given, const tt_bonds *bonds,
                                  const tt_chem_recipe *recipe, char **canonical, float **coordinates,
                                  uint32_t *atoms) {
  (void)given, (void)bonds, (void)recipe, (void)canonical, (void)coordinates, (void)atoms;
  return absent();
}

tt_status tt_chem_make(tt_chem_record *record, const char *smiles, const tt_chem_recipe *recipe,
                       uint64_t seed) {
  (void)record, (void)smiles, (void)recipe, (void)seed;
  return absent();
}

tt_status tt_chem_make_given(tt_chem_record *record, const char *smiles, const tt_chem_recipe *recipe,
                             const float *coordinates, uint32_t conformers, uint32_t atoms) {
  (void)record, (void)smiles, (void)recipe, (void)coordinates, (void)conformers, (void)atoms;
  return absent();
}
