#include <math.h>
#include <string.h>

#include "batch/batch.h"
#include "batch/draws.h"

void tt_draw_choice(uint64_t key, uint32_t purpose, int atoms, int count, uint64_t *chosen) {
  // Atoms sorted by a drawn word, ties by the atom: the first `count` are the choice. Only those are kept, by
  // insertion: molecules are small.
  int kept = 0;
  for (int a = 0; a < atoms; a++) {
    uint64_t word = (uint64_t)tt_draw(key, purpose, (uint32_t)a).v[0] << 32 | (uint32_t)a;
    if (kept == count && (count == 0 || word > chosen[count - 1])) continue;
    int at = kept < count ? kept++ : count - 1;
    for (; at > 0 && chosen[at - 1] > word; at--) chosen[at] = chosen[at - 1];
    chosen[at] = word;
  }
}

int tt_masked_count(int atoms, double mask_probability, uint64_t seed, uint64_t epoch, uint64_t record) {
  return tt_draw_count(tt_stream(seed, epoch, record), TT_DRAW_MASK_COUNT, mask_probability, atoms);
}

static tt_status mask(tt_sample *s, double probability, uint64_t key) {
  for (int a = 0; a < s->atoms; a++)
    if (s->token[a] == 0)
      return tt_fail(TT_ERR_DATA,
                     "atom %d has no atomic number in 1..118: build the store without such molecules", a);
  s->masked = tt_draw_count(key, TT_DRAW_MASK_COUNT, probability, s->atoms);
  uint64_t *chosen = tt_sample_scratch(s);
  tt_draw_choice(key, TT_DRAW_MASK_CHOICE, s->atoms, s->masked, chosen);
  for (int k = 0; k < s->masked; k++) {
    uint32_t a = (uint32_t)chosen[k];
    s->target[a] = s->token[a];
    s->token[a] = TT_MASK_TOKEN;
  }
  return TT_OK;
}

static void drop_features(tt_sample *s) {
  size_t n = (size_t)s->atoms;
  for (size_t k = 0; k < n * TT_ATOM_INPUTS; k++) s->atom_input[k] = 1;
  for (size_t a = 0; a < n; a++) s->degree[a] = 1;
  for (size_t k = 0; k < n * n; k++) s->path[k] = TT_PATH_DROPPED;
  memset(s->edge, 1, n * n * 3);
  memset(s->pair_class, 1, n);
}

static tt_status choose_coordinates(const tt_molecule *m, const tt_data_config *data, bool dropped,
                                    uint64_t key, const float **coordinates) {
  if (m->conformers == 0 || !m->coordinates)
    return tt_fail(TT_ERR_DATA, "no conformation: build the store without such molecules");
  uint64_t conformer = (uint64_t)tt_draw(key, TT_DRAW_CONFORMER, 0).v[0] * m->conformers >> 32;
  *coordinates = m->coordinates + conformer * m->atoms * 3;
  if (dropped || tt_draw_uniform(key, TT_DRAW_FLAT) >= data->coordinates_2d_probability) return TT_OK;
  if (!m->coordinates_2d)
    return tt_fail(TT_ERR_DATA,
                   "no 2-D coordinates, but data.coordinates_2d_probability is %g: build the store with "
                   "'store build --coordinates-2d', or set it to 0",
                   data->coordinates_2d_probability);
  *coordinates = m->coordinates_2d;
  return TT_OK;
}

static tt_status centre(tt_sample *s, const float *coordinates) {
  double mean[3] = {0, 0, 0};
  for (int a = 0; a < s->atoms; a++)
    for (int c = 0; c < 3; c++) mean[c] += coordinates[3 * a + c];
  for (int c = 0; c < 3; c++) mean[c] /= s->atoms;
  int infinite = -1;
  for (int a = 0; a < s->atoms; a++)
    for (int c = 0; c < 3; c++) {
      s->target_position[3 * a + c] = (float)(coordinates[3 * a + c] - mean[c]);
      if (!isfinite(s->target_position[3 * a + c]) && infinite < 0) infinite = a;
    }
  if (infinite >= 0) return tt_fail(TT_ERR_DATA, "the coordinates of atom %d are not finite", infinite);
  return TT_OK;
}

static tt_status draw_sample(tt_sample *s, const tt_molecule *m, const tt_data_config *data, uint64_t key) {
  TT_TRY(mask(s, data->mask_probability, key));
  bool dropped = tt_draw_uniform(key, TT_DRAW_FEATURES) < data->drop_features_probability;
  if (dropped) drop_features(s);
  const float *coordinates = NULL;
  TT_TRY(choose_coordinates(m, data, dropped, key, &coordinates));
  TT_TRY(centre(s, coordinates));
  tt_sample_noise(s, data, key);
  return TT_OK;
}

tt_status tt_sample_make(tt_sample *sample, const tt_molecule *molecule, const tt_data_config *data,
                         uint64_t seed, uint64_t epoch, uint64_t record) {
  sample->record = record; // before the graph: its errors name the record
  TT_TRY(tt_sample_graph(sample, molecule, data->max_atoms));
  tt_status status = draw_sample(sample, molecule, data, tt_stream(seed, epoch, record));
  if (status != TT_OK)
    tt_fail_in(status, "record %llu, SMILES '%.*s'", (unsigned long long)record,
               molecule->smiles ? (int)molecule->smiles_length : 0, molecule->smiles ? molecule->smiles : "");
  return status;
}
