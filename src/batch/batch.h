// Packed batches: what the model is fed. No padding anywhere.
//
// A molecule of N atoms has L = N + 1 token rows (row 0 the virtual node) and L * L pair rows (i * L + j).
#ifndef TT_BATCH_BATCH_H
#define TT_BATCH_BATCH_H

#include <stdint.h>

#include "chem/molecule.h"
#include "config/config.h"
#include "core/status.h"

enum {
  TT_ATOM_INPUTS = 8, // atom features fed to the model (atomic number left out)
  TT_PATH_UNREACHABLE = 510,
  TT_PATH_DROPPED = 511,
};

// One molecule made ready for one step: masked, noised, aligned. Arrays belong to the sample.
typedef struct {
  uint64_t record; // index in its split: names the random stream together with seed and epoch
  int atoms;
  int masked;             // atoms with a target
  uint8_t *token;         // (atoms) atomic number, or TT_MASK_TOKEN
  uint8_t *target;        // (atoms) atomic number where masked, else 0
  uint16_t *atom_input;   // (atoms, 8): raw[k+1] + 3 + 16k; all 1 when features are dropped
  uint16_t *degree;       // (atoms): neighbours + 2; 1 when dropped
  uint16_t *path;         // (atoms, atoms): hops + 1, 510 unreachable, 511 when dropped
  uint8_t *edge;          // (atoms, atoms, 3): type+4, stereo+20, conjugated+36; 2,2,2 unbonded; 1 dropped
  uint8_t *pair_class;    // (atoms): chirality + 3; 1 when dropped. pair_type(i,j) = (class_i+1, class_j+129)
  float *position;        // (atoms, 3) noised and aligned, Angstrom
  float *target_position; // (atoms, 3) centred
  void *memory_;          // private
  size_t memory_size_;
} tt_sample;

// Graph part only, features not dropped: atom_input, degree, path, edge, pair_class, token (unmasked).
// Positions 0. TT_ERR_DATA for 0 atoms, more than max_atoms, bonds or feature indices out of range (record
// named).
tt_status tt_sample_graph(tt_sample *sample, const tt_molecule *molecule, int max_atoms);

// Everything, for training or validation: tt_sample_graph, then conformer choice, masks, dropped features,
// noise and alignment, all drawn from the stream (seed, epoch, record). TT_ERR_DATA also for coordinates that
// are not finite.
tt_status tt_sample_make(tt_sample *sample, const tt_molecule *molecule, const tt_data_config *data,
                         uint64_t seed, uint64_t epoch, uint64_t record);
void tt_sample_free(tt_sample *sample);

// How many of `atoms` atoms tt_sample_make will mask: depends on seed, epoch, record and atoms only.
int tt_masked_count(int atoms, double mask_probability, uint64_t seed, uint64_t epoch, uint64_t record);

// Shortest paths of an unweighted graph by breadth-first search: out (atoms, atoms) = hops + 1 (diagonal 1),
// TT_PATH_UNREACHABLE where there is no path or it has >= 509 hops.
tt_status tt_shortest_paths(int atoms, int bonds, const uint16_t *bond_atoms, uint16_t *out);

// Rigid alignment of `moving` (n,3) onto `fixed` (n,3), least squares, proper rotation (Kabsch 1976; solved
// by Horn's quaternion, 1987, in double). In place.
void tt_align(int n, float *moving, const float *fixed);

// L = atoms + 1 rounded up to a multiple of 4: upstream's padded length S of a batch with this longest
// molecule.
static inline int tt_padded_length(int atoms) {
  return (atoms + 1 + 3) / 4 * 4;
}

// A packed piece: what one forward/backward call sees. "rows" are global over the piece.
typedef struct {
  int molecules;
  int64_t tokens, pairs, atom_pairs; // T = sum L, R = sum L^2, sum N^2
  int max_length;                    // longest L
  int32_t *length;                   // (molecules) L
  int64_t *token_offset;             // (molecules + 1)
  int64_t *pair_offset;              // (molecules + 1)
  int64_t *atom_pair_offset; // (molecules + 1) offsets into rows of real atom pairs only (N*N a molecule)
  int32_t *scaling_length;   // (molecules) S of the outer and triangle products
  uint64_t *sample;          // (molecules) sample number in the run: names the dropout stream
  int32_t *batch_index;      // (molecules) position in the global batch
  int32_t *token_molecule;   // (T) molecule of each token row
  uint8_t *token;            // (T) 0 in virtual rows
  uint16_t *atom_input;      // (T, 8) 0 in virtual rows
  uint16_t *degree;          // (T) 0 in virtual rows
  uint8_t *pair_class;       // (T) 0 in virtual rows
  uint16_t *path;            // (R) 0 in virtual rows and columns
  uint8_t *edge;             // (R, 3) 0 in virtual rows and columns
  float *position, *target_position; // (T, 3) 0 in virtual rows
  int64_t masked;                    // masked atoms
  int32_t *masked_row;               // (masked) token row of each, ascending
  uint8_t *masked_target;            // (masked) its atomic number
  size_t capacity_[20];              // private
} tt_batch;

// Packs samples[order[0..count-1]] into *batch (reused between calls; zero it before the first).
// `sample_number` and `batch_index` are parallel to `samples` (indexed through `order`). scaling ==
// TT_SCALING_BATCH uses `batch_length` for all.
tt_status tt_batch_pack(tt_batch *batch, tt_sample *const *samples, const int32_t *order, int count,
                        const uint64_t *sample_number, const int32_t *batch_index, tt_scaling_length scaling,
                        int batch_length);
void tt_batch_free(tt_batch *batch);

// Deals a global batch of `count` molecules into `leaves` (a power of two) of nearly equal cost: into two
// halves that cost nearly the same, then each half in the same way. So any number of ranks 2^k has equal
// work, however uneven the last few molecules make the leaves. leaf[i] = leaf of molecule i. Every leaf gets
// `least` >= 1 molecules or more where there are so many, else one; it stays empty only where there are fewer
// molecules than leaves. cost[i] >= 0 in any unit; the sum must fit 62 bits. A pure function of its arguments,
// in whole numbers. TT_ERR_ARGUMENT, TT_ERR_MEMORY.
tt_status tt_deal(const int64_t *cost, int count, int leaves, int least, int32_t *leaf);

// Cuts a leaf's molecules (in order) into pieces of at most max_pairs pair rows: piece_start gets the first
// index of each piece and, at the end, count; returns the number of pieces. A single molecule above max_pairs
// is a piece of its own.
int tt_cut(const int32_t *atoms, int count, int64_t max_pairs, int32_t *piece_start);

#endif
