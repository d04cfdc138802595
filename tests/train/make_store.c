// Makes a store of made-up molecules for the training tests, without RDKit: make_store DIR TRAIN VALID
// [LARGEST [BAD]] Random trees of 1 to LARGEST (24) atoms with a few rings closed; coordinates are a random
// walk of 1.5 Angstrom steps. BAD: the training molecule whose first coordinate is not a number.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"
#include "core/philox.h"
#include "store/store.h"

enum { MOST = 255, SHARD = 1000 };

typedef struct {
  uint8_t features[MOST * TT_ATOM_FEATURES], bonds[2 * MOST * TT_BOND_FEATURES];
  uint16_t ends[2 * MOST * 2];
  float xyz[MOST * 3];
  char smiles[32];
} parts;

static uint32_t draw(uint64_t key, uint32_t a, uint32_t b, uint32_t below) {
  return tt_philox(key, a, b, 0, 0).v[0] % below;
}

static void place_atom(parts *p, uint64_t key, uint32_t i, uint32_t parent) {
  static const uint8_t elements[] = {5, 5, 5,  5, 5, 6,
                                     7, 7, 15, 8, 16}; // C mostly; N, O, S, F, Cl: atomic number - 1
  uint8_t *f = p->features + i * TT_ATOM_FEATURES;
  f[0] = elements[draw(key, i, 1, sizeof elements)];
  f[1] = draw(key, i, 2, 12) == 0, f[2] = (uint8_t)draw(key, i, 3, 4), f[3] = 5,
  f[4] = (uint8_t)draw(key, i, 4, 4);
  f[6] = (uint8_t)draw(key, i, 5, 3), f[7] = f[8] = (uint8_t)draw(key, i, 6, 2);
  double x, y, z, unused;
  tt_philox4 r = tt_philox(key, i, 7, 0, 0);
  tt_normal2(r.v[0], r.v[1], &x, &y);
  tt_normal2(r.v[2], r.v[3], &z, &unused);
  double scale = 1.5 / sqrt(x * x + y * y + z * z + 1e-9);
  const float *from = p->xyz + 3 * parent;
  p->xyz[3 * i] = i ? from[0] + (float)(x * scale) : 0;
  p->xyz[3 * i + 1] = i ? from[1] + (float)(y * scale) : 0;
  p->xyz[3 * i + 2] = i ? from[2] + (float)(z * scale) : 0;
}

static tt_molecule make(parts *p, uint64_t number, uint32_t largest) {
  uint64_t key = tt_stream(7, number, 0);
  tt_molecule m = {.atoms = 1 + draw(key, 0, 9, largest), .conformers = 1, .key = key};
  for (uint32_t i = 0; i < m.atoms; i++) {
    uint32_t parent = i ? i - 1 - draw(key, i, 8, i < 3 ? 1 : 2) : 0;
    place_atom(p, key, i, parent);
    if (!i) continue;
    p->ends[2 * m.bonds] = (uint16_t)parent, p->ends[2 * m.bonds + 1] = (uint16_t)i;
    p->bonds[3 * m.bonds] = (uint8_t)draw(key, i, 10, 4), p->bonds[3 * m.bonds + 1] = 0;
    p->bonds[3 * m.bonds++ + 2] = (uint8_t)draw(key, i, 11, 2);
    if (i % 6 == 5) { // closes a ring
      p->ends[2 * m.bonds] = (uint16_t)(i - 5), p->ends[2 * m.bonds + 1] = (uint16_t)i;
      p->bonds[3 * m.bonds] = 3, p->bonds[3 * m.bonds + 1] = 0, p->bonds[3 * m.bonds++ + 2] = 1;
    }
  }
  m.smiles_length =
      (uint32_t)snprintf(p->smiles, sizeof p->smiles, "made-up-%llu", (unsigned long long)number);
  m.atom_features = p->features, m.bond_atoms = p->ends, m.bond_features = p->bonds, m.coordinates = p->xyz;
  m.smiles = p->smiles;
  return m;
}

static tt_status write_split(const char *folder, const tt_store_info *info, tt_split split, uint64_t first,
                             uint64_t count, uint32_t largest, uint64_t bad, tt_shard_entry *entries,
                             uint32_t *shards) {
  parts *p = calloc(SHARD, sizeof *p);
  tt_molecule *m = calloc(SHARD, sizeof *m);
  tt_status status = p && m ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory");
  for (uint64_t done = 0; status == TT_OK && done < count;) {
    uint64_t n = count - done < SHARD ? count - done : SHARD;
    for (uint64_t k = 0; k < n; k++) {
      m[k] = make(&p[k], first + done + k, largest);
      if (first + done + k == bad) p[k].xyz[0] = NAN;
    }
    status = tt_shard_write(folder, *shards, split, info, m, n, &entries[*shards]);
    ++*shards;
    done += n;
  }
  free(p);
  free(m);
  return status;
}

int main(int argc, char **argv) {
  if (argc < 4) return fprintf(stderr, "usage: make_store DIR TRAIN VALID [LARGEST [BAD]]\n"), 2;
  uint64_t train = strtoull(argv[2], NULL, 10), valid = strtoull(argv[3], NULL, 10);
  uint64_t bad = argc > 5 ? strtoull(argv[5], NULL, 10) : UINT64_MAX;
  uint32_t largest = argc > 4 ? (uint32_t)atoi(argv[4]) : 24, shards = 0;
  if (largest < 1 || largest > MOST || train + valid > 1000000) return fprintf(stderr, "out of range\n"), 2;
  tt_store_info info = {.seed = 7, .toolkit = "made up", .recipe = "random trees for tests"};
  static tt_shard_entry entries[2048];
  tt_status status = tt_make_directories(argv[1]);
  if (status == TT_OK)
    status = write_split(argv[1], &info, TT_TRAIN, 0, train, largest, bad, entries, &shards);
  if (status == TT_OK)
    status = write_split(argv[1], &info, TT_VALID, train, valid, largest, bad, entries, &shards);
  if (status == TT_OK) status = tt_manifest_write(argv[1], &info, entries, shards);
  if (status != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 1;
  return 0;
}
