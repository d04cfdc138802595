// Defaults and presets.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"

static const struct {
  const char *name;
  int layers, embed_dim, heads, pair_dim, pair_hidden, ffn_dim;
  bool cpu; // small enough to train on a CPU: the preset also sets up a short run
} presets[] = {
    {"cpu-tiny", 2, 64, 4, 32, 16, 64, true},     {"cpu-small", 4, 128, 8, 64, 16, 128, true},
    {"cpu-base", 6, 256, 16, 128, 32, 256, true}, {"42M", 6, 768, 48, 512, 64, 768, false},
    {"84M", 12, 768, 48, 512, 64, 768, false},    {"164M", 24, 768, 48, 512, 64, 768, false},
    {"310M", 32, 1024, 64, 512, 64, 1024, false}, {"570M", 32, 1536, 96, 512, 64, 1536, false},
    {"1.1B", 64, 1536, 96, 512, 64, 1536, false},
};
enum { PRESETS = sizeof presets / sizeof *presets };

const char *const *tt_model_preset_names(void) {
  static const char *const names[PRESETS + 1] = {"cpu-tiny", "cpu-small", "cpu-base", "42M",  "84M",
                                                 "164M",     "310M",      "570M",     "1.1B", NULL};
  return names;
}

tt_status tt_model_preset(tt_model_config *model, const char *name) {
  for (int i = 0; i < PRESETS; i++) {
    if (strcmp(presets[i].name, name) != 0) continue;
    strcpy(model->preset, presets[i].name);
    model->layers = presets[i].layers;
    model->embed_dim = presets[i].embed_dim;
    model->heads = presets[i].heads;
    model->pair_dim = presets[i].pair_dim;
    model->pair_hidden = presets[i].pair_hidden;
    model->ffn_dim = presets[i].ffn_dim;
    return TT_OK;
  }
  char shown[64], valid[160] = "";
  tt_config_quote(shown, sizeof shown, name);
  for (int i = 0; i < PRESETS; i++) {
    size_t used = strlen(valid);
    snprintf(valid + used, sizeof valid - used, "%s%s", i ? ", " : "", presets[i].name);
  }
  return tt_fail(TT_ERR_CONFIG, "there is no preset %s; the nearest is \"%s\" (there are %s)", shown,
                 tt_config_nearest_word(name, tt_model_preset_names()), valid);
}

tt_status tt_config_use_preset(tt_config *config, const char *name) {
  TT_TRY(tt_model_preset(&config->model, name));
  for (int i = 0; i < PRESETS; i++) {
    if (strcmp(presets[i].name, name) != 0 || !presets[i].cpu) continue;
    // the paper's run would take a CPU for ever, and its warm-up alone is longer than this one
    config->train.steps = 1000;
    config->train.batch_size = 32;
    config->train.micro_batches = 8;
    config->data.lanes = 4;
    config->optimizer.warmup_steps = 50;
    config->optimizer.learning_rate = 1e-3;
  }
  return TT_OK;
}

tt_status tt_config_defaults(tt_config *config) {
  *config = (tt_config){
      .model = {.dropout = 0.1,
                .attention_dropout = 0.1,
                .pair_dropout = 0.25,
                .movement_dropout = 0.1,
                .scaling_length = TT_SCALING_MOLECULE},
      .data = {.lanes = 64,
               .read_ahead = 2,
               .max_atoms = 256,
               .mask_probability = 0.15,
               .noise = TT_NOISE_NORMAL,
               .noise_scale = 0.2,
               .noise_probability = 1,
               .drop_features_probability = 0.5},
      .train = {.seed = 1,
                .precision = TT_FP32,
                .steps = 818359,
                .batch_size = 1024,
                .micro_batches = 64,
                .max_pairs = 32768,
                .token_loss_weight = 1,
                .position_loss_weight = 1,
                .distance_loss_weight = 1,
                .log_every = 1,
                .checkpoint_every = 1000,
                .checkpoint_keep = 10,
                .replica_check_every = 100,
                .hang_limit = 300,
                .hang_limit_start = 1800,
                .spike_window = 128,
                .spike_z = 6,
                .skip_limit = 10},
      .optimizer = {.learning_rate = 1e-4,
                    .beta1 = 0.9,
                    .beta2 = 0.99,
                    .epsilon = 1e-6,
                    .weight_decay = 1e-4,
                    .clip_norm = 1,
                    .schedule = TT_SCHEDULE_LINEAR,
                    .warmup_steps = 100000},
      .validation = {.every = 10000, .seed = 1},
      .parallel = {.tensor = 1},
  };
  config->data.store = strdup("");
  config->train.skip_batches = strdup("");
  if (!config->data.store || !config->train.skip_batches)
    return tt_fail(TT_ERR_MEMORY, "out of memory: a configuration");
  return tt_model_preset(&config->model, "84M");
}

void tt_config_free(tt_config *config) {
  free(config->data.store), free(config->train.skip_batches);
  *config = (tt_config){0};
}
