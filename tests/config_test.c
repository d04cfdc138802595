// The configuration room: the paper's defaults, presets, overrides, and every kind of error with its message.
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/config.h"
#include "core/file.h"

static char path[64]; // of the file that the next load reads

static int make_path(void **state) {
  (void)state;
  snprintf(path, sizeof path, "config_test.%ld.cfg", (long)getpid());
  return 0;
}

static int remove_path(void **state) {
  (void)state;
  return unlink(path);
}

static void write_file(const char *name, const char *text, size_t bytes) {
  FILE *f = fopen(name, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(text, 1, bytes, f), bytes);
  assert_int_equal(fclose(f), 0);
}

static tt_status load(tt_config *config, const char *text, int count, const char *const *overrides) {
  write_file(path, text, strlen(text));
  return tt_config_load(config, path, overrides, count);
}

static tt_config loaded(const char *text, int count, const char *const *overrides) {
  tt_config config;
  if (load(&config, text, count, overrides) != TT_OK) fail_msg("%s", tt_error_message());
  return config;
}

// Loading must fail, leave an empty config and say exactly this. In `wanted` ^ stands for the file's path.
static void refused_with(const char *text, const char *override, const char *wanted) {
  tt_config config, empty = {0};
  memset(&config, 1, sizeof config);
  tt_status status = load(&config, text, override ? 1 : 0, &override);
  if (status == TT_OK) fail_msg("accepted: %s", text);
  assert_int_equal(status, TT_ERR_CONFIG);
  assert_memory_equal(&config, &empty, sizeof config);
  char expected[1024] = "";
  for (const char *p = wanted; *p; p++) {
    size_t used = strlen(expected);
    if (*p == '^')
      snprintf(expected + used, sizeof expected - used, "%s", path);
    else
      expected[used] = *p, expected[used + 1] = 0;
  }
  if (strncmp(tt_error_message(), expected, strlen(expected)) !=
      0) // the start is enough: an explanation may follow
    fail_msg("message: %s\nwanted:  %s", tt_error_message(), expected);
}

static void refused(const char *text, const char *wanted) {
  refused_with(text, NULL, wanted);
}

static void defaults_are_the_papers(void **state) {
  (void)state;
  tt_config c = loaded("", 0, NULL), d;
  assert_int_equal(tt_config_defaults(&d), TT_OK);
  char *a, *b;
  assert_int_equal(tt_config_print(&c, &a), TT_OK);
  assert_int_equal(tt_config_print(&d, &b), TT_OK);
  assert_string_equal(a, b); // an empty file is the defaults
  free(a), free(b);
  tt_config_free(&d);
  assert_string_equal(c.model.preset, "84M");
  assert_true(c.model.dropout == 0.1 && c.model.attention_dropout == 0.1 && c.model.activation_dropout == 0);
  assert_true(c.model.pair_dropout == 0.25 && c.model.movement_dropout == 0.1);
  assert_int_equal(c.model.scaling_length, TT_SCALING_MOLECULE);
  assert_string_equal(c.data.store, "");
  assert_int_equal(c.data.read_ahead, 2);
  assert_int_equal(c.data.bad_chunks, TT_BAD_STOP);
  assert_int_equal(c.data.max_atoms, 256);
  assert_int_equal(c.data.noise, TT_NOISE_NORMAL);
  assert_true(c.data.mask_probability == 0.15 && c.data.noise_scale == 0.2 && c.data.noise_probability == 1);
  assert_true(c.data.drop_features_probability == 0.5 && c.data.coordinates_2d_probability == 0);
  assert_int_equal(c.train.precision, TT_FP32);
  assert_int_equal(c.train.steps, 818359);
  assert_int_equal(c.train.batch_size, 1024);
  assert_int_equal(c.train.checkpoint_every, 1000);
  assert_int_equal(c.train.checkpoint_keep, 10);
  assert_int_equal(c.train.spike_window, 128);
  assert_true(c.train.spike_z == 6);
  assert_int_equal(c.train.log_every, 1);
  assert_true(c.train.token_loss_weight == 1 && c.train.position_loss_weight == 1 &&
              c.train.distance_loss_weight == 1);
  assert_true(c.optimizer.learning_rate == 1e-4 && c.optimizer.beta1 == 0.9 && c.optimizer.beta2 == 0.99);
  assert_true(c.optimizer.epsilon == 1e-6 && c.optimizer.weight_decay == 1e-4 && c.optimizer.clip_norm == 1);
  assert_int_equal(c.optimizer.schedule, TT_SCHEDULE_LINEAR);
  assert_int_equal(c.optimizer.warmup_steps, 100000);
  assert_int_equal(c.validation.every, 10000);
  assert_int_equal(c.validation.molecules, 0);
  tt_config_free(&c);
}

static void presets_have_their_dimensions(void **state) {
  (void)state;
  const struct {
    const char *name;
    int dimensions[6], steps, warmup;
  } cases[] = {
      {"cpu-tiny", {2, 64, 4, 32, 16, 64}, 1000, 50},
      {"cpu-small", {4, 128, 8, 64, 16, 128}, 1000, 50},
      {"cpu-base", {6, 256, 16, 128, 32, 256}, 1000, 50},
      {"42M", {6, 768, 48, 512, 64, 768}, 818359, 100000},
      {"84M", {12, 768, 48, 512, 64, 768}, 818359, 100000},
      {"164M", {24, 768, 48, 512, 64, 768}, 818359, 100000},
      {"310M", {32, 1024, 64, 512, 64, 1024}, 818359, 100000},
      {"570M", {32, 1536, 96, 512, 64, 1536}, 818359, 100000},
      {"1.1B", {64, 1536, 96, 512, 64, 1536}, 818359, 100000},
  };
  const char *const *names = tt_model_preset_names();
  size_t count = sizeof cases / sizeof *cases;
  for (size_t i = 0; i < count; i++) {
    char text[64];
    snprintf(text, sizeof text, "model = { preset = \"%s\"; }", cases[i].name);
    tt_config c = loaded(text, 0, NULL);
    const tt_model_config *m = &c.model;
    int got[6] = {m->layers, m->embed_dim, m->heads, m->pair_dim, m->pair_hidden, m->ffn_dim};
    assert_string_equal(m->preset, cases[i].name);
    assert_memory_equal(got, cases[i].dimensions, sizeof got);
    assert_int_equal(c.train.steps, cases[i].steps);
    assert_int_equal(c.optimizer.warmup_steps, cases[i].warmup);
    assert_string_equal(names[i], cases[i].name);
    tt_config_free(&c);
  }
  assert_null(names[count]);
}

static void what_is_written_wins_over_the_preset(void **state) {
  (void)state;
  tt_config c = loaded("train : { steps = 300; }\nmodel : { layers = 3; preset = \"cpu-tiny\"; }", 0, NULL);
  assert_int_equal(c.model.layers, 3); // although written before the preset
  assert_int_equal(c.model.embed_dim, 64);
  assert_int_equal(c.train.steps, 300);
  assert_int_equal(c.train.batch_size, 32);
  assert_int_equal(c.train.micro_batches, 8);
  assert_int_equal(c.data.lanes, 4);
  assert_int_equal(c.optimizer.warmup_steps, 50);
  assert_true(c.optimizer.learning_rate == 1e-3);
  tt_config_free(&c);

  // the preset may come from an override, and what the file writes still wins over it
  const char *overrides[] = {"model.preset=\"cpu-base\"", "model.pair_dim=48", "train.steps=200",
                             "train.steps=250"};
  c = loaded("model = { layers = 3; preset = \"310M\"; };", 4, overrides);
  assert_string_equal(c.model.preset, "cpu-base");
  assert_int_equal(c.model.layers, 3);
  assert_int_equal(c.model.embed_dim, 256);
  assert_int_equal(c.model.pair_dim, 48);
  assert_int_equal(c.train.steps, 250); // the last one wins
  tt_config_free(&c);
}

static void values_of_every_type_are_read(void **state) {
  (void)state;
  const char *text = "data = { store = \"/a \\\"b\\\"\"; noise = \"truncated_normal\"; noise_scale = 1; };\n"
                     "train = { seed = 9000000000000000000L; max_pairs = 0x1000; steps = 1000000L; };\n"
                     "optimizer = { learning_rate = 3e-4; };";
  tt_config c = loaded(text, 0, NULL);
  assert_string_equal(c.data.store, "/a \"b\"");
  assert_int_equal(c.data.noise, TT_NOISE_TRUNCATED_NORMAL);
  assert_true(c.data.noise_scale == 1 && c.optimizer.learning_rate == 3e-4);
  assert_true(c.train.seed == 9000000000000000000u && c.train.max_pairs == 4096 && c.train.steps == 1000000);
  tt_config_free(&c);

  const char *overrides[] = {
      "data.store=/x=y z",     "data.noise=\"uniform\"",     "optimizer.schedule=constant",
      "train.seed=5000000000", "train.max_pairs=77L",        "optimizer.epsilon=1",
      "model.dropout=.25",     "model.scaling_length=batch", "train.precision=bf16"};
  c = loaded("", 9, overrides);
  assert_int_equal(c.train.precision, TT_BF16);
  assert_string_equal(tt_precision_name(c.train.precision), "bf16");
  assert_string_equal(c.data.store, "/x=y z");
  assert_int_equal(c.data.noise, TT_NOISE_UNIFORM);
  assert_int_equal(c.optimizer.schedule, TT_SCHEDULE_CONSTANT);
  assert_int_equal(c.model.scaling_length, TT_SCALING_BATCH);
  assert_true(c.train.seed == 5000000000 && c.train.max_pairs == 77);
  assert_true(c.optimizer.epsilon == 1 && c.model.dropout == 0.25);
  tt_config_free(&c);
}

static void unknown_keys_name_the_nearest(void **state) {
  (void)state;
  refused("model = { };\ndata = {\n  nosie = \"uniform\";\n};",
          "^:3: unknown key data.nosie; the nearest valid key is data.noise (");
  refused("train = {\n  seed = 1;\n  learning_rate = 1e-3;\n};",
          "^:3: unknown key train.learning_rate; the nearest valid key is optimizer.learning_rate (");
  refused("train = { Steps = 5; };", "^:1: unknown key train.Steps; the nearest valid key is train.steps (");
  refused("\nsteps = 5;", "^:2: unknown key steps; the nearest valid key is train.steps (");
  refused("\n\noptimiser = { beta1 = 0.9; };",
          "^:3: unknown group optimiser; the nearest valid group is optimizer");
  refused("modle = { };", "^:1: unknown group modle; the nearest valid group is model");
  refused_with("", "trian.steps=5",
               "--set trian.steps=5: unknown key trian.steps; the nearest valid key is train.steps (");
  refused_with("", "warmup=5",
               "--set warmup=5: unknown key warmup; the nearest valid key is optimizer.warmup_steps (");
  refused_with("", "data.lane=5",
               "--set data.lane=5: unknown key data.lane; the nearest valid key is data.lanes (");
  // few letters are near to any short name: a key of the same group is meant
  refused_with("", "optimizer.lr=1",
               "--set optimizer.lr=1: unknown key optimizer.lr; the nearest valid key is "
               "optimizer.learning_rate (");
  refused_with("", "model.foo=1",
               "--set model.foo=1: unknown key model.foo; the nearest valid key is model.");
  refused_with("", "model={layers=2;}", "--set model={layers=2;}: it must read --set group.key=value");
  refused_with("", "=3", "--set =3: it must read --set group.key=value");
}

static void wrong_types_are_refused(void **state) {
  (void)state;
  refused("train = { steps = \"10\"; };", "^:1: train.steps must be an integer, not \"10\" (updates)");
  refused("train = {\n steps = 1e3; };", "^:2: train.steps must be an integer, not the real number 1000");
  refused("model = { layers = true; };", "^:1: model.layers must be an integer, not true");
  refused("model = { layers = [1, 2]; };", "^:1: model.layers must be an integer, not an array");
  refused("model = { layers = (1, \"a\"); };", "^:1: model.layers must be an integer, not a list");
  refused("model = { dropout = { a = 1; }; };", "^:1: model.dropout must be a number, not a group");
  refused("model = { dropout = \"0.1\"; };", "^:1: model.dropout must be a number, not \"0.1\"");
  refused("data = { store = 5; };", "^:1: data.store must be a string, not the integer 5");
  refused("data = { noise = 0.2; };", "^:1: data.noise must be a string, not the real number 0.2");
  refused("model = { preset = 84; };", "^:1: model.preset must be a string, not the integer 84");
  refused("model = 5;", "^:1: model must be a group: write model = { key = value; }");
  refused_with("", "train.steps=many",
               "--set train.steps=many: train.steps must be an integer, not \"many\"");
  refused_with("", "train.steps=", "--set train.steps=: train.steps must be an integer, not \"\"");
  refused_with("", "train.steps=99999999999999999999",
               "--set train.steps=99999999999999999999: train.steps must be an");
  refused_with("", "model.dropout=0,1",
               "--set model.dropout=0,1: model.dropout must be a number, not \"0,1\"");
  refused_with("", "train.steps", "--set train.steps: it must read --set group.key=value");
}

static void values_out_of_range_are_refused(void **state) {
  (void)state;
  refused(
      "data = {\n\n mask_probability = 1.5; };",
      "^:3: data.mask_probability = 1.5 is out of range: it must be at least 0 and at most 1 (fraction of");
  refused("model = { dropout = 1.0; };",
          "^:1: model.dropout = 1 is out of range: it must be at least 0 and at most 0.99 (dropout of");
  refused("data = { noise_probability = -0.1; };", "^:1: data.noise_probability = -0.1 is out of range");
  refused("optimizer = { epsilon = 0; };",
          "^:1: optimizer.epsilon = 0 is out of range: it must be above 0 and at most 1 (");
  refused("train = { steps = 0; };",
          "^:1: train.steps = 0 is out of range: it must be at least 1 and at most 1000000");
  refused("train = { seed = -1; };", "^:1: train.seed = -1 is out of range: it must be at least 0 (");
  refused("data = { read_ahead = -1; };",
          "^:1: data.read_ahead = -1 is out of range: it must be at least 0 and at most 1024 (");
  refused("data = { max_atoms = 510; };",
          "^:1: data.max_atoms = 510 is out of range: it must be at least 1 and at most 509 (");
  refused("model = { layers = 4294967297L; };", "^:1: model.layers = 4294967297 is out of range");
  refused("train = { max_pairs = 3; };", "^:1: train.max_pairs = 3 is out of range: it must be at least 4");
  refused("optimizer = { learning_rate = 1e999; };", "^:1: optimizer.learning_rate = inf is out of range");
  refused_with("", "optimizer.beta2=1", "--set optimizer.beta2=1: optimizer.beta2 = 1 is out of range");
  refused_with("", "model.dropout=nan", "--set model.dropout=nan: model.dropout = ");
}

static void words_name_the_nearest(void **state) {
  (void)state;
  refused("data = {\n noise = \"unifrom\"; };", "^:2: data.noise = \"unifrom\" is none of \"normal\", "
                                                "\"uniform\", \"truncated_normal\", \"none\"; the nearest is "
                                                "\"uniform\" (");
  refused("train = { precision = \"fp16\"; };",
          "^:1: train.precision = \"fp16\" is none of \"fp32\", \"bf16\"; the nearest is \"fp32\"");
  refused("optimizer = { schedule = \"cool-down\"; };",
          "^:1: optimizer.schedule = \"cool-down\" is none of \"linear\", "
          "\"constant\", \"cooldown\"; the nearest is \"cooldown\"");
  refused("model = { preset = \"1.2B\"; };",
          "^:1: model.preset: there is no preset \"1.2B\"; the nearest is \"1.1B\" (there are cpu-tiny, ");
  refused_with("", "model.preset=cpu_small",
               "--set model.preset=cpu_small: model.preset: there is no preset \"cpu_small\"; the nearest is "
               "\"cpu-small\"");
  refused("model = { preset = \"a\nb\x01\"; };", "^:1: model.preset: there is no preset \"a?b?\"; ");
  tt_model_config model = {0};
  assert_int_equal(tt_model_preset(&model, "85M"), TT_ERR_CONFIG);
  assert_non_null(strstr(tt_error_message(), "\"85M\"; the nearest is \"84M\""));
}

static void relations_are_checked(void **state) {
  (void)state;
  refused(
      "train = { steps = 5000; };\noptimizer = { warmup_steps = 5000; };",
      "^:2: optimizer.warmup_steps = 5000 must be below train.steps = 5000: a warm-up as long as the run");
  refused("\ntrain = { steps = 100000; };",
          "^:2: optimizer.warmup_steps = 100000 (default) must be below train.steps = 100000: ");
  refused("model = { preset = \"cpu-tiny\"; };\ntrain = { steps = 50; };",
          "^:2: optimizer.warmup_steps = 50 (default) must be below train.steps = 50: ");
  refused_with("optimizer = { warmup_steps = 500; };", "train.steps=400",
               "--set train.steps=400: optimizer.warmup_steps = 500 must be below train.steps = 400: ");
  refused("model = { embed_dim = 100; ffn_dim = 100; };",
          "^:1: model.embed_dim = 100 must be a multiple of model.heads = 48 (default): ");
  refused("model = {\n ffn_dim = 1000; };",
          "^:2: model.ffn_dim = 1000 must be a multiple of model.embed_dim = 768 (default): ");
  refused("train = { micro_batches = 12; };", "^:1: train.micro_batches = 12 must be a power of two: ");
  refused("train = { batch_size = 32; };",
          "^:1: train.batch_size = 32 must be at least train.micro_batches = 64 (default): ");
  refused("train = { skip_batches = \"12, 7-5\"; };",
          "^:1: train.skip_batches = \"12, 7-5\" is no list of batches: write numbers from 0 on");
  refused("train = { skip_batches = [1, 2]; };", "^:1: train.skip_batches must be a string, not an array");
  refused("data = { lanes = 3; };",
          "^:1: train.batch_size = 1024 (default) must be a multiple of data.lanes = 3: ");
  refused(
      "train = { token_loss_weight = 0; position_loss_weight = 0; distance_loss_weight = 0; };",
      "^:1: train.token_loss_weight = 0.0 must not be 0 together with train.position_loss_weight = 0.0 and ");
  refused("optimizer = { schedule = \"cooldown\"; };",
          "^:1: optimizer.schedule = \"cooldown\" does not go with optimizer.cooldown_steps = 0 (default): ");
  refused("optimizer = { schedule = \"cooldown\"; cooldown_steps = 901; warmup_steps = 100; };\ntrain = { "
          "steps = 1000; "
          "};",
          "^:1: optimizer.cooldown_steps = 901 does not fit between optimizer.warmup_steps = 100 and "
          "train.steps = 1000: ");
  refused("parallel = { tensor = 3; };", "^:1: parallel.tensor = 3 must be a power of two: ");
  refused("parallel = { tensor = 32; };",
          "^:1: parallel.tensor = 32 must divide model.heads = 48 (default): ");
  refused("model = { embed_dim = 96; heads = 16; ffn_dim = 96; };\nparallel = { tensor = 8; };",
          "^:2: parallel.tensor = 8 times 8 must divide model.ffn_dim = 96: ");
  refused("train = { batch_size = 64; micro_batches = 64; };\nparallel = { tensor = 2; };",
          "^:2: parallel.tensor = 2 must not exceed the molecules of a micro-batch, that is "
          "train.batch_size = 64 and train.micro_batches = 64: ");
  refused("model = { preset = \"\"; layers = 2; };",
          "^:1: model.preset = \"\" leaves all six dimensions to you, also "
          "model.embed_dim = 768 (default): ");
  const char *fits[] = {"optimizer.cooldown_steps=900", "optimizer.warmup_steps=100", "train.steps=1000"};
  tt_config c = loaded("optimizer = { schedule = \"cooldown\"; };", 3, fits);
  assert_int_equal(c.optimizer.schedule, TT_SCHEDULE_COOLDOWN);
  tt_config_free(&c);
  c = loaded("model = { preset = \"\"; layers = 1; embed_dim = 32; heads = 2; pair_dim = 8; pair_hidden = 4; "
             "ffn_dim = 64; };",
             0, NULL);
  assert_int_equal(c.model.ffn_dim, 64);
  assert_string_equal(c.model.preset, "");
  tt_config_free(&c);
}

static void broken_text_is_refused_with_its_line(void **state) {
  (void)state;
  refused("model = {\n layers = ;\n};", "^:2: syntax error");
  refused("train = { steps = 5;\n steps = 6; };", "^:2: duplicate setting name");
  refused("train = { };\n\ntrain = { };", "^:3: duplicate setting name");
  refused("model = { };\n@include \"other.cfg\"\n", "^:2: @include is not supported");
  refused("train = {\n seed = 3000000000; };",
          "^:2: the integer 3000000000 has more than 32 bits: write 3000000000L");
  refused("train = { seed = 0xFFFFFFFF; };",
          "^:1: the integer 0xFFFFFFFF has more than 32 bits: write 0xFFFFFFFFL");
  refused("train = { seed = 9223372036854775808L; };", "^:1: the integer 9223372036854775808L is too large");
  refused("\n/* lost\ntrain = { seed = 5; };", "^:2: this comment has no end");
  refused("\ndata = { store = \"lost; };\n", "^:2: this string has no end");
  // none of these is one of libconfig's blind spots
  tt_config c = loaded("# @include 3000000000 \" /*\n// \" /*\n/* \" @include\n*/ train = { seed = 5; };\n"
                       "data = { store = \"@include /* # 3000000000 \\\" //\"; };",
                       0, NULL);
  assert_int_equal(c.train.seed, 5);
  assert_string_equal(c.data.store, "@include /* # 3000000000 \" //");
  tt_config_free(&c);

  tt_config empty = {0};
  const char zero[] = "train = { };\n\0model = { };";
  write_file(path, zero, sizeof zero - 1);
  assert_int_equal(tt_config_load(&c, path, NULL, 0), TT_ERR_CONFIG);
  assert_non_null(strstr(tt_error_message(), ":2: a zero byte"));
  assert_int_equal(tt_config_load(&c, "no such folder/x.cfg", NULL, 0), TT_ERR_IO);
  assert_non_null(strstr(tt_error_message(), "no such folder/x.cfg"));
  assert_memory_equal(&c, &empty, sizeof c);
}

// Prints, loads what was printed, prints again: the texts and so the values must be the same.
static void round_trip(tt_config c) {
  char *first, *second;
  assert_int_equal(tt_config_print(&c, &first), TT_OK);
  tt_config again = loaded(first, 0, NULL);
  assert_int_equal(tt_config_print(&again, &second), TT_OK);
  assert_string_equal(first, second);
  assert_string_equal(c.data.store, again.data.store);
  char *store = c.data.store, *other = again.data.store;
  c.data.store = again.data.store = NULL;
  char *batches = c.train.skip_batches, *other_batches = again.train.skip_batches;
  assert_string_equal(batches, other_batches);
  c.train.skip_batches = again.train.skip_batches = NULL;
  assert_memory_equal(&c.model.layers, &again.model.layers,
                      sizeof c.model - offsetof(tt_model_config, layers));
  assert_memory_equal(&c.data, &again.data, sizeof c.data);
  assert_memory_equal(&c.train, &again.train, sizeof c.train);
  assert_memory_equal(&c.optimizer, &again.optimizer, sizeof c.optimizer);
  assert_memory_equal(&c.validation, &again.validation, sizeof c.validation);
  free(first), free(second), free(store), free(other), free(batches), free(other_batches);
}

static void printing_reads_back_to_the_same_values(void **state) {
  (void)state;
  for (const char *const *name = tt_model_preset_names(); *name; name++) {
    char override[64];
    snprintf(override, sizeof override, "model.preset=%s", *name);
    round_trip(loaded("", 1, (const char *const[]){override}));
  }
  const char *odd[] = {"train.seed=9223372036854775807",
                       "data.store=/a \"b\" \\c\n\t\x01 caf\xc3\xa9",
                       "data.noise_scale=0.30000000000000004",
                       "optimizer.learning_rate=1e-300",
                       "optimizer.epsilon=4.9406564584124654e-324",
                       "data.noise=none",
                       "data.read_ahead=0",
                       "optimizer.schedule=constant",
                       "train.max_pairs=4294967296",
                       "model.scaling_length=batch",
                       "train.precision=bf16",
                       "optimizer.clip_norm=123456.75"};
  round_trip(loaded("", 12, odd));
}

static void numbers_do_not_depend_on_the_locale(void **state) {
  (void)state;
  const char *commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8"};
  bool found = false;
  for (int i = 0; i < 4 && !found; i++) found = setlocale(LC_ALL, commas[i]) != NULL;
  if (!found) skip();
  const char *overrides[] = {"model.dropout=0.125"};
  tt_config c = loaded("optimizer = { beta1 = 0.75; };", 1, overrides);
  assert_true(c.model.dropout == 0.125 && c.optimizer.beta1 == 0.75);
  round_trip(c);
  setlocale(LC_ALL, "C");
}

static char *read_text(const char *name) {
  char full[1024], *text;
  size_t bytes;
  snprintf(full, sizeof full, "%s/%s", TT_SOURCE_ROOT, name);
  assert_int_equal(tt_file_read(full, &text, &bytes), TT_OK);
  return text;
}

static void shipped_files_load(void **state) {
  (void)state;
  const struct {
    const char *file, *preset;
  } cases[] = {{"42M", "42M"},   {"84M", "84M"},   {"164M", "164M"},         {"310M", "310M"},
               {"570M", "570M"}, {"1.1B", "1.1B"}, {"upstream-code", "84M"}, {"quickstart", "cpu-small"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char name[1024];
    snprintf(name, sizeof name, "%s/configs/%s.cfg", TT_SOURCE_ROOT, cases[i].file);
    tt_config c;
    if (tt_config_load(&c, name, NULL, 0) != TT_OK) fail_msg("%s", tt_error_message());
    assert_string_equal(c.model.preset, cases[i].preset);
    assert_int_equal(c.data.noise, i == 6 ? TT_NOISE_UNIFORM : TT_NOISE_NORMAL);
    tt_config_free(&c);
  }
}

// Every key stands in docs/configuration.md, under its group's heading, with its default: "| `key` |
// `default` |".
static void manual_has_every_key_and_default(void **state) {
  (void)state;
  char *manual = read_text("docs/configuration.md"), *text;
  tt_config c = loaded("", 0, NULL);
  assert_int_equal(tt_config_print(&c, &text), TT_OK);
  tt_config_free(&c);
  const char *section = manual;
  char group[32] = "", *rest = text;
  for (char *line; (line = strsep(&rest, "\n"));) {
    char name[64], value[64], row[256];
    if (line[0] > ' ' && line[0] != '}' && sscanf(line, "%31s = {", group) == 1) {
      snprintf(row, sizeof row, "\n## %s\n", group);
      section = strstr(manual, row);
      if (!section) fail_msg("docs/configuration.md has no section %s", group);
    } else if (sscanf(line, " %63s = %63[^;];", name, value) == 2) {
      snprintf(row, sizeof row, "\n| `%s` | `%s` |", name, value);
      const char *found = strstr(section, row), *next = strstr(section + 1, "\n## ");
      if (!found || (next && found > next))
        fail_msg("docs/configuration.md lacks under %s: | `%s` | `%s` |", group, name, value);
    }
  }
  free(text), free(manual);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_are_the_papers),
      cmocka_unit_test(presets_have_their_dimensions),
      cmocka_unit_test(what_is_written_wins_over_the_preset),
      cmocka_unit_test(values_of_every_type_are_read),
      cmocka_unit_test(unknown_keys_name_the_nearest),
      cmocka_unit_test(wrong_types_are_refused),
      cmocka_unit_test(values_out_of_range_are_refused),
      cmocka_unit_test(words_name_the_nearest),
      cmocka_unit_test(relations_are_checked),
      cmocka_unit_test(broken_text_is_refused_with_its_line),
      cmocka_unit_test(printing_reads_back_to_the_same_values),
      cmocka_unit_test(numbers_do_not_depend_on_the_locale),
      cmocka_unit_test(shipped_files_load),
      cmocka_unit_test(manual_has_every_key_and_default),
  };
  return cmocka_run_group_tests(tests, make_path, remove_path);
}
