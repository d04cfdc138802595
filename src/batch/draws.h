// The random numbers of one sample: which draw is for what. Private to the batch room.
//
// Every number is a pure function: Philox with the key tt_stream(seed, epoch, record) and the counter
// (purpose, index, 0, 0). No purpose shares a number with another one. (Upstream rounds the mask count and
// drops the features by the same number, and so masks fewer atoms of the molecules whose features it drops.)
#ifndef TT_BATCH_DRAWS_H
#define TT_BATCH_DRAWS_H

#include "batch/batch.h"
#include "core/philox.h"

// Changing the meaning of any of these changes every run: append only.
enum {
  TT_DRAW_CONFORMER,    // index 0: which conformation
  TT_DRAW_MASK_COUNT,   // index 0: rounds the number of masked atoms
  TT_DRAW_MASK_CHOICE,  // index = atom: its sort key; the smallest keys are masked
  TT_DRAW_FEATURES,     // index 0: features dropped or not
  TT_DRAW_FLAT,         // index 0: 2-D or 3-D coordinates
  TT_DRAW_NOISE_COUNT,  // index 0: rounds the number of noised atoms
  TT_DRAW_NOISE_CHOICE, // index = atom: its sort key
  TT_DRAW_NOISE_VALUE,  // index = atom: words 0-2 uniform x, y, z; normal: words 0,1 give x,y and words 2,3 z
};

static inline tt_philox4 tt_draw(uint64_t key, uint32_t purpose, uint32_t index) {
  return tt_philox(key, purpose, index, 0, 0);
}

static inline double tt_draw_uniform(uint64_t key, uint32_t purpose) {
  return tt_uniform(tt_draw(key, purpose, 0).v[0]);
}

// A fraction of `atoms` atoms: its expectation is probability * atoms exactly.
static inline int tt_draw_count(uint64_t key, uint32_t purpose, double probability, int atoms) {
  int count = (int)(probability * atoms + tt_draw_uniform(key, purpose));
  return count < atoms ? count : atoms;
}

// Chooses `count` of `atoms` without replacement: chosen[0..count-1] & 0xffffffff are the atoms, in no useful
// order. `chosen` has room for `atoms` words.
void tt_draw_choice(uint64_t key, uint32_t purpose, int atoms, int count, uint64_t *chosen);

// Room for `atoms` 64-bit words in the sample's own memory.
static inline uint64_t *tt_sample_scratch(const tt_sample *sample) {
  return sample->memory_;
}

// position = target_position + noise on the chosen atoms, then aligned to target_position.
void tt_sample_noise(tt_sample *sample, const tt_data_config *data, uint64_t key);

#endif
