// The shard's file as docs/formats.md says: bit fields, limits, and what HDF5 sees in it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <hdf5.h>

#include "core/crc32c.h"
#include "core/file.h"
#include "store/features.h"
#include "store/schema.h"
#include "synthetic.h"

static char folder[64], path[256];

static int setup(void **state) {
  (void)state;
  strcpy(folder, "format_test.XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/shard-00000.h5", folder);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  assert_int_equal(system(command), 0);
  return 0;
}

static void assert_ok(tt_status status) {
  if (status != TT_OK) fail_msg("%s", tt_error_message());
}

// ---- bit fields
// -----------------------------------------------------------------------------------------------

// Written out again, so that a changed table fails here.
static const uint8_t atom_most[9] = {118, 6, 11, 11, 9, 5, 5, 1, 1},
                     atom_bit[9] = {0, 7, 10, 14, 18, 22, 25, 28, 29};
static const uint8_t bond_most[3] = {4, 5, 1}, bond_bit[3] = {0, 3, 6};

static void atoms_in_words(void **state) {
  (void)state;
  for (int k = 0; k < 9; k++)
    for (unsigned v = 0; v <= atom_most[k] + 1u; v++) {
      uint8_t features[9] = {0}, back[9];
      uint32_t word;
      features[k] = (uint8_t)v;
      bool possible = v <= atom_most[k];
      assert_int_equal(!tt_features_fault(features, 1, NULL, 0), possible);
      if (!possible) continue;
      tt_atoms_pack(features, 1, &word);
      assert_int_equal(word, v << atom_bit[k]);
      assert_true(tt_atoms_unpack(&word, 1, back));
      assert_memory_equal(features, back, 9);
    }
  uint8_t back[18], most[18];
  uint32_t words[2];
  memcpy(most, atom_most, 9), memcpy(most + 9, atom_most, 9);
  tt_atoms_pack(most, 2, words);
  assert_true(tt_atoms_unpack(words, 2, back));
  assert_memory_equal(most, back, 18);
  for (int bit = 30; bit < 32; bit++) {
    uint32_t odd[2] = {words[0], words[1] | 1u << bit};
    assert_false(tt_atoms_unpack(odd, 2, back));
  }
}

static void bonds_in_bytes(void **state) {
  (void)state;
  for (int k = 0; k < 3; k++)
    for (unsigned v = 0; v <= bond_most[k] + 1u; v++) {
      uint8_t features[3] = {0}, back[3], byte;
      features[k] = (uint8_t)v;
      bool possible = v <= bond_most[k];
      assert_int_equal(!tt_features_fault(NULL, 0, features, 1), possible);
      if (!possible) continue;
      tt_bonds_pack(features, 1, &byte);
      assert_int_equal(byte, v << bond_bit[k]);
      assert_true(tt_bonds_unpack(&byte, 1, back));
      assert_memory_equal(features, back, 3);
    }
  uint8_t back[6], bytes[2] = {0, 0x80};
  assert_false(tt_bonds_unpack(bytes, 2, back));
}

// ---- limits
// ---------------------------------------------------------------------------------------------------

enum { MOST = 65535 };

typedef struct {
  uint8_t *features, *bonds;
  uint16_t *ends;
  float *xyz;
  char *smiles;
} large;

// Room for one more of everything than may be stored.
static large large_make(void) {
  large l = {synthetic_alloc(9 * (MOST + 1)), synthetic_alloc(3 * (MOST + 1)),
             synthetic_alloc(4 * (MOST + 1)), synthetic_alloc(12 * (MOST + 1)), synthetic_alloc(MOST + 1)};
  for (uint32_t k = 0; k <= MOST; k++) l.ends[2 * k] = (uint16_t)(k % 7), l.ends[2 * k + 1] = 7;
  l.features[9 * (MOST - 1)] = 99, l.bonds[3 * (MOST - 1)] = 3, l.xyz[3 * MOST - 1] = 0.5f;
  memset(l.smiles, 'C', MOST + 1);
  return l;
}

static tt_molecule large_molecule(const large *l) {
  return (tt_molecule){.atoms = 8,
                       .bonds = 1,
                       .conformers = 1,
                       .atom_features = l->features,
                       .bond_atoms = l->ends,
                       .bond_features = l->bonds,
                       .coordinates = l->xyz,
                       .smiles = l->smiles,
                       .smiles_length = 1};
}

static void largest_records(void **state) {
  (void)state;
  large l = large_make();
  tt_molecule m[4] = {large_molecule(&l), large_molecule(&l), large_molecule(&l), large_molecule(&l)};
  m[0].atoms = MOST, m[1].bonds = MOST, m[2].atoms = 1, m[2].bonds = 0, m[2].conformers = MOST;
  m[3].smiles_length = MOST;
  tt_store_info info = {.toolkit = "made up"};
  tt_shard_entry entry;
  assert_ok(tt_shard_write(folder, 0, TT_TRAIN, &info, m, 4, &entry));
  assert_ok(tt_manifest_write(folder, &info, &entry, 1));
  tt_store *store;
  tt_chunk chunk = {0};
  assert_ok(tt_store_open(&store, folder));
  assert_ok(tt_store_read_chunk(store, TT_TRAIN, 0, &chunk));
  assert_int_equal(chunk.count, 4);
  for (int k = 0; k < 4; k++) assert_true(synthetic_same(&m[k], &chunk.molecules[k]));
  assert_ok(tt_store_verify(store, NULL, NULL));
  tt_chunk_free(&chunk);
  tt_store_close(store);

  static const char *const says[] = {"65,535 atoms", "65,535 bonds", "65,535 conformers", "65,535 bytes"};
  for (int k = 0; k < 4; k++) {
    tt_molecule one = m[k];
    if (k == 0) one.atoms++;
    if (k == 1) one.bonds++;
    if (k == 2) one.conformers++;
    if (k == 3) one.smiles_length++;
    assert_int_equal(tt_shard_write(folder, 0, TT_TRAIN, &info, &one, 1, &entry), TT_ERR_DATA);
    assert_non_null(strstr(tt_error_message(), says[k]));
  }
  free(l.features), free(l.bonds), free(l.ends), free(l.xyz), free(l.smiles);
}

// ---- what HDF5 sees
// -------------------------------------------------------------------------------------------

// A whole dataset, converted by HDF5 to `type`; its number of elements must be as expected.
static void *dataset(hid_t file, const char *name, hid_t type, size_t size, uint64_t elements) {
  hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  assert_true(set >= 0);
  hid_t space = H5Dget_space(set);
  assert_int_equal(H5Sget_simple_extent_npoints(space), elements);
  void *data = synthetic_alloc(elements * size);
  assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  H5Sclose(space);
  H5Dclose(set);
  return data;
}

// Compares one record, whose rows begin at at[] (atoms, bonds, coordinates, SMILES), and moves at[] past it.
typedef struct {
  uint16_t *counts, *ends;
  uint32_t *atoms;
  uint8_t *bonds, *smiles;
  float *xyz, *flat;
  uint64_t *key, *scaffold;
} arrays;

static void compare(const arrays *d, const tt_molecule *m, uint64_t k, uint64_t at[4]) {
  const uint16_t counts[] = {(uint16_t)m->atoms, (uint16_t)m->bonds, (uint16_t)m->conformers,
                             (uint16_t)m->smiles_length};
  assert_memory_equal(d->counts + 4 * k, counts, sizeof counts);
  for (uint32_t i = 0; i < 9 * m->atoms; i++) {
    unsigned mask = i % 9 == 8 ? 1 : (1u << (atom_bit[i % 9 + 1] - atom_bit[i % 9])) - 1;
    assert_int_equal(d->atoms[at[0] + i / 9] >> atom_bit[i % 9] & mask, m->atom_features[i]);
  }
  for (uint32_t i = 0; i < 3 * m->bonds; i++)
    assert_int_equal(d->bonds[at[1] + i / 3] >> bond_bit[i % 3] & (i % 3 == 2 ? 1 : 7), m->bond_features[i]);
  if (m->bonds) assert_memory_equal(d->ends + 2 * at[1], m->bond_atoms, 4 * m->bonds);
  uint64_t rows = (uint64_t)m->conformers * m->atoms;
  assert_memory_equal(d->xyz + 3 * at[2], m->coordinates, 12 * rows);
  assert_memory_equal(d->flat + 3 * at[0], m->coordinates_2d, 12 * m->atoms);
  if (m->smiles_length) assert_memory_equal(d->smiles + at[3], m->smiles, m->smiles_length);
  assert_true(d->key[k] == m->key && d->scaffold[k] == m->scaffold);
  at[0] += m->atoms, at[1] += m->bonds, at[2] += rows, at[3] += m->smiles_length;
}

static void read_by_hdf5(void **state) {
  (void)state;
  enum { COUNT = 600, CHUNKS = 3, ARRAYS = 9 };
  tt_store_info info = {.coordinates_2d = true, .toolkit = "made up"};
  tt_molecule *m = synthetic_molecules(17, COUNT, true);
  tt_shard_entry e;
  assert_ok(tt_shard_write(folder, 0, TT_TRAIN, &info, m, COUNT, &e));
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  assert_true(file >= 0);
  arrays d = {
      .counts = dataset(file, "counts", H5T_NATIVE_UINT16, 2, 4 * COUNT),
      .ends = dataset(file, "bond_atoms", H5T_NATIVE_UINT16, 2, 2 * e.bonds),
      .atoms = dataset(file, "atom_features", H5T_NATIVE_UINT32, 4, e.atoms),
      .bonds = dataset(file, "bond_features", H5T_NATIVE_UINT8, 1, e.bonds),
      .smiles = dataset(file, "smiles", H5T_NATIVE_UINT8, 1, e.smiles_bytes),
      .xyz = dataset(file, "coordinates", H5T_NATIVE_FLOAT, 4, 3 * e.coordinate_rows),
      .flat = dataset(file, "coordinates_2d", H5T_NATIVE_FLOAT, 4, 3 * e.atoms),
      .key = dataset(file, "key", H5T_NATIVE_UINT64, 8, COUNT),
      .scaffold = dataset(file, "scaffold", H5T_NATIVE_UINT64, 8, COUNT),
  };
  uint64_t *starts = dataset(file, "chunk_start", H5T_NATIVE_UINT64, 8, 4 * (CHUNKS + 1)), at[4] = {0};
  uint32_t *crcs = dataset(file, "crc32c", H5T_NATIVE_UINT32, 4, CHUNKS * ARRAYS);
  for (uint64_t k = 0; k < COUNT; k++) {
    if (k % 256 == 0) {
      assert_memory_equal(starts + 4 * (k / 256), at, sizeof at);
      assert_int_equal(crcs[ARRAYS * (k / 256)],
                       tt_crc32c(0, d.counts + 4 * k, 8 * (COUNT - k < 256 ? COUNT - k : 256)));
    }
    compare(&d, &m[k], k, at);
  }
  assert_memory_equal(starts + 4 * CHUNKS, at, sizeof at);
  H5Fclose(file);
  free(d.counts), free(d.ends), free(d.atoms), free(d.bonds), free(d.smiles), free(d.xyz), free(d.flat);
  free(d.key), free(d.scaffold), free(starts), free(crcs);
  synthetic_free(m, COUNT);
}

// A header that is whole but describes other arrays: reading follows the manifest's counts and does not care,
// verification says that HDF5 sees something else.
static void another_header(void **state) {
  (void)state;
  tt_store_info info = {.toolkit = "made up"};
  tt_molecule *m = synthetic_molecules(3, 20, false);
  tt_shard_entry shorter, entry;
  assert_ok(tt_shard_write(folder, 0, TT_TRAIN, &info, m, 19, &shorter));
  char *text, header[TT_SHARD_HEADER];
  size_t bytes;
  assert_ok(tt_file_read(path, &text, &bytes));
  memcpy(header, text, sizeof header);
  free(text);
  assert_ok(tt_shard_write(folder, 0, TT_TRAIN, &info, m, 20, &entry));
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  assert_int_equal(fwrite(header, 1, sizeof header, file), sizeof header);
  assert_int_equal(fclose(file), 0);
  entry.header_crc = shorter.header_crc;
  assert_ok(tt_manifest_write(folder, &info, &entry, 1));
  tt_store *store;
  tt_chunk chunk = {0};
  assert_ok(tt_store_open(&store, folder));
  assert_ok(tt_store_read_chunk(store, TT_TRAIN, 0, &chunk));
  for (int k = 0; k < 20; k++) assert_true(synthetic_same(&m[k], &chunk.molecules[k]));
  assert_int_equal(tt_store_verify(store, NULL, NULL), TT_ERR_FORMAT);
  assert_non_null(strstr(tt_error_message(), "shard-00000.h5"));
  tt_chunk_free(&chunk);
  tt_store_close(store);
  synthetic_free(m, 20);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(atoms_in_words),
      cmocka_unit_test(bonds_in_bytes),
      TEST(largest_records),
      TEST(read_by_hdf5),
      TEST(another_header),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
