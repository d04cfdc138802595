// Bonds found from the places of the atoms: molecules whose conformers RDKit makes come back as what they
// were; what cannot be told is refused. A molecule without RDKit: orders and charges by hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/rdkit.h"
#include "core/philox.h"

// All stereochemistry is given, so that what is read off the geometry is the same SMILES.
static const char *const molecules[] = {
    "C",
    "O",
    "C#N",
    "O=C=O",
    "CC(C)(C)C#CC#N",
    "C[C@H](N)C(=O)O",
    "C/C=C/C(=O)Nc1ccc(Cl)cc1",
    "C/C=C\\Br",
    "CC(=O)Oc1ccccc1C(=O)O",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "O=[N+]([O-])c1ccc(S(N)(=O)=O)cc1",
    "C[N+](C)(C)CC(=O)[O-]",
    "[NH3+][C@@H](Cc1c[nH]c2ccccc12)C(=O)[O-]",
    "CS(C)=O",
    "COP(=O)(OC)SC",
    "C[S+](C)C",
    "CC(=O)[O-]",
    "c1cc[nH+]cc1",
    "C[N+]#[C-]",
    "CN=[N+]=[N-]",
    "c1ccc2c(c1)ccc1ccccc12",
    "c1cc2cccc3ccc4cccc1c4c23",
    "c1ccc2c(c1)-c1ccccc1-2",
    "c1ccc2c(c1)[nH]c1ccccc12",
    "O=C1C=CC(=O)C=C1",
    "c1csc(-c2cccs2)c1",
    "C[Si](C)(C)OB(O)O",
    "FC(F)(F)c1ccc(I)cc1Br",
    "OO",
    "CSSC",
    "Cn1ccccc1=O",
    "c1ccc[n+]([O-])c1",
    "O=c1[nH]cnc2[nH]cnc12",
    "C12C3C4C1C5C2C3C45",
    "C1CC2CCC1CC2",
    "[O-][Cl+3]([O-])([O-])[O-]",
    "O=S(=O)([O-])c1ccccc1",
    "C[Se]C",
    "N#Cc1cnnc(N)n1",
    "ClP1(Cl)=NP(Cl)(Cl)=NP(Cl)(Cl)=N1",
};

static const tt_chem_recipe *recipe(void) {
  static tt_chem_recipe r;
  r = tt_chem_recipe_default();
  r.hydrogens = true;
  return &r;
}

// Formal charge of a record's atom.
static int charge_of(const tt_molecule *m, uint32_t atom) {
  return m->atom_features[atom * TT_ATOM_FEATURES + 3] - 5;
}

typedef struct {
  uint32_t atoms;
  int charge;
  uint8_t numbers[256];
  float xyz[3 * 256];
} frame;

// The atoms of a molecule in a shuffled order.
static void make_frame(const char *smiles, uint64_t seed, frame *f) {
  tt_chem_record r;
  if (tt_chem_make(&r, smiles, recipe(), 5) != TT_OK) fail_msg("%s: %s", smiles, tt_error_message());
  const tt_molecule *m = &r.molecule;
  uint32_t order[256];
  f->atoms = m->atoms, f->charge = 0;
  for (uint32_t k = 0; k < m->atoms; k++) order[k] = k;
  for (uint32_t k = m->atoms - 1; k > 0; k--) {
    uint32_t other = (uint32_t)(tt_mix64(seed + k) % (k + 1)), kept = order[k];
    order[k] = order[other], order[other] = kept;
  }
  for (uint32_t k = 0; k < m->atoms; k++) {
    f->numbers[k] = (uint8_t)tt_atomic_number(m, order[k]), f->charge += charge_of(m, order[k]);
    memcpy(f->xyz + 3 * k, m->coordinates + 3 * order[k], 3 * sizeof(float));
  }
  tt_chem_record_free(&r);
}

static void remove_atom(frame *f, uint32_t atom) {
  memmove(f->numbers + atom, f->numbers + atom + 1, f->atoms - atom - 1);
  memmove(f->xyz + 3 * atom, f->xyz + 3 * (atom + 1), (f->atoms - atom - 1) * 3 * sizeof(float));
  f->atoms--;
}

static void what_was_a_molecule_is_one_again(void **state) {
  (void)state;
  for (size_t k = 0; k < sizeof molecules / sizeof *molecules; k++)
    for (uint64_t seed = 1; seed <= 3; seed++) {
      frame f;
      tt_bonds bonds;
      char *wanted, *found;
      float *xyz;
      uint32_t atoms;
      assert_int_equal(tt_chem_canonical(molecules[k], strlen(molecules[k]), recipe(), &wanted), TT_OK);
      make_frame(molecules[k], seed, &f);
      if (tt_bonds_perceive(f.atoms, f.numbers, f.xyz, f.charge, &bonds) != TT_OK)
        fail_msg("%s: %s", molecules[k], tt_error_message());
      tt_chem_geometry given = {f.atoms, 1, f.numbers, f.xyz};
      if (tt_chem_canonical_bonds(&given, &bonds, recipe(), &found, &xyz, &atoms) != TT_OK)
        fail_msg("%s: %s", molecules[k], tt_error_message());
      assert_string_equal(found, wanted);
      assert_int_equal(atoms, f.atoms);
      free(wanted), free(found), free(xyz);
      tt_bonds_free(&bonds);
    }
}

static void check_refused(const frame *f, const char *kind) {
  tt_bonds bonds;
  assert_int_equal(tt_bonds_perceive(f->atoms, f->numbers, f->xyz, f->charge, &bonds), TT_ERR_DATA);
  assert_true(!bonds.bonds && !bonds.charges);
  if (strncmp(tt_error_message(), kind, strlen(kind)) != 0)
    fail_msg("refused with '%s', not '%s'", tt_error_message(), kind);
}

// Whichever hydrogen, or all of them: never another molecule instead.
static void a_frame_without_its_hydrogens_is_refused(void **state) {
  (void)state;
  for (size_t k = 0; k < sizeof molecules / sizeof *molecules; k++) {
    frame whole, f;
    make_frame(molecules[k], 1, &whole);
    uint32_t hydrogens = 0;
    f = whole;
    for (uint32_t i = whole.atoms; i-- > 0;) {
      if (whole.numbers[i] != 1) continue;
      frame less = whole;
      remove_atom(&less, i), remove_atom(&f, i);
      check_refused(&less, "");
      hydrogens++;
    }
    if (hydrogens > 1) check_refused(&f, "");
  }
}

static void the_charge_must_fit(void **state) {
  (void)state;
  frame f;
  make_frame("CC(=O)[O-]", 1, &f);
  f.charge = 0;
  check_refused(&f, "charge: no bond orders fit a total charge of 0 (these would fit: -1");
  make_frame("CCN", 1, &f);
  f.charge = 1;
  check_refused(&f, "charge:");
}

static void places_that_cannot_be_are_refused(void **state) {
  (void)state;
  frame f = {.atoms = 2, .numbers = {6, 8}, .xyz = {0, 0, 0, 0, 0, 0.1f}};
  check_refused(&f, "coordinates: atoms 1 and 2 are in one place");
  frame iron = {.atoms = 2, .numbers = {26, 8}, .xyz = {0, 0, 0, 0, 0, 1.6f}};
  check_refused(&iron, "bonds: atoms 1 and 2 are too close");
  frame alone = {.atoms = 1, .numbers = {26}};
  check_refused(&alone, "bonds: atom 1 is of an element");
  // methyl chloride's bond, stretched: not an ion pair
  frame torn = {.atoms = 5,
                .charge = 0,
                .numbers = {6, 1, 1, 1, 17},
                .xyz = {0, 0, 0, 0, 1.08f, 0, 0.94f, -0.54f, 0, -0.94f, -0.54f, 0, 0, 0, 2.2f}};
  check_refused(&torn, "bonds: atoms 1 and 5, 2.20 Angstrom apart");
  frame salt = {.atoms = 2, .numbers = {11, 17}, .xyz = {0, 0, 0, 0, 0, 4}};
  tt_bonds bonds;
  assert_int_equal(tt_bonds_perceive(2, salt.numbers, salt.xyz, 0, &bonds), TT_OK);
  assert_true(bonds.count == 0 && bonds.charges[0] == 1 && bonds.charges[1] == -1);
  tt_bonds_free(&bonds);
}

static void long_chains_are_no_trouble(void **state) {
  (void)state;
  enum { ATOMS = 400 };
  uint8_t numbers[ATOMS];
  tt_bonds bonds = {.atoms = ATOMS};
  bonds.bonds = calloc(ATOMS, sizeof *bonds.bonds);
  for (uint16_t k = 0; k < ATOMS; k++) {
    numbers[k] = 6;
    if (k + 1 < ATOMS) bonds.bonds[bonds.count++] = (tt_bond){k, (uint16_t)(k + 1), 1, 1.4f};
  }
  // with nitrogen at both ends: N#C-C#C-...-C#N
  numbers[0] = numbers[ATOMS - 1] = 7;
  assert_int_equal(tt_bonds_assign(numbers, 0, &bonds), TT_OK);
  for (uint32_t k = 0; k < bonds.count; k++) assert_int_equal(bonds.bonds[k].order, k % 2 ? 1 : 3);
  tt_bonds_free(&bonds);
}

int main(void) {
  const struct CMUnitTest without[] = {
      cmocka_unit_test(places_that_cannot_be_are_refused),
      cmocka_unit_test(long_chains_are_no_trouble),
  };
  const struct CMUnitTest with_rdkit[] = {
      cmocka_unit_test(what_was_a_molecule_is_one_again),
      cmocka_unit_test(a_frame_without_its_hydrogens_is_refused),
      cmocka_unit_test(the_charge_must_fit),
  };
  int failed = cmocka_run_group_tests(without, NULL, NULL);
  if (tt_chem_toolkit()) failed += cmocka_run_group_tests(with_rdkit, NULL, NULL);
  return failed;
}
