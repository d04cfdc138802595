#include <string.h>

#include "batch/draws.h"

static double clip(double x, double bound) {
  return x < -bound ? -bound : x > bound ? bound : x;
}

// Noise of one atom in Angstrom. In double: float libm is less exact and no faster where it matters.
static void atom_noise(tt_noise type, double scale, tt_philox4 words, double noise[3]) {
  if (type == TT_NOISE_UNIFORM) {
    for (int c = 0; c < 3; c++) noise[c] = scale * (2 * tt_uniform(words.v[c]) - 1);
    return;
  }
  double unused;
  tt_normal2(words.v[0], words.v[1], &noise[0], &noise[1]);
  tt_normal2(words.v[2], words.v[3], &noise[2], &unused);
  for (int c = 0; c < 3; c++)
    noise[c] = scale * (type == TT_NOISE_TRUNCATED_NORMAL ? clip(noise[c], 2) : noise[c]);
}

static void move_atom(tt_sample *s, uint32_t a, const tt_data_config *data, uint64_t key) {
  double noise[3];
  atom_noise(data->noise, data->noise_scale, tt_draw(key, TT_DRAW_NOISE_VALUE, a), noise);
  for (int c = 0; c < 3; c++) s->position[3 * a + c] += (float)noise[c];
}

void tt_sample_noise(tt_sample *s, const tt_data_config *data, uint64_t key) {
  memcpy(s->position, s->target_position, (size_t)s->atoms * 3 * sizeof(float));
  if (data->noise == TT_NOISE_NONE) return;
  int count = tt_draw_count(key, TT_DRAW_NOISE_COUNT, data->noise_probability, s->atoms);
  if (count == 0) return;  // and no alignment, whose rounding would move the atoms
  if (count == s->atoms) { // the default: nothing to choose
    for (int a = 0; a < s->atoms; a++) move_atom(s, (uint32_t)a, data, key);
  } else {
    uint64_t *chosen = tt_sample_scratch(s);
    tt_draw_choice(key, TT_DRAW_NOISE_CHOICE, s->atoms, count, chosen);
    for (int k = 0; k < count; k++) move_atom(s, (uint32_t)chosen[k], data, key);
  }
  tt_align(s->atoms, s->position, s->target_position);
}
