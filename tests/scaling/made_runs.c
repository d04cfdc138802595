#include "made_runs.h"

#include <ftw.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

made_run made_run_of(const char *name, int width) {
  return (made_run){.name = name,
                    .width = width,
                    .planned = 1000,
                    .reached = 1000,
                    .warmup = 50,
                    .batch = 16,
                    .seed = 1,
                    .rate = 0.002,
                    .schedule = "constant",
                    .store = "00112233445566778899aabbccddeeff",
                    .data = "",
                    .optimizer = "",
                    .validation = "",
                    .train_records = 1e6};
}

// No value is a round number, so that digits lost on the way show.
double made_loss(const made_run *run, int step, tt_term term) {
  double fall = 3 / sqrt(run->width) + 2 / sqrt(step + 1) + 0.001 * run->seed + 10 * fabs(run->rate - 0.004);
  return (0.5 + fall) * (term == TT_TERM_TOTAL ? 1 : 0.1 + 0.2 * term) / 3;
}

static void check(int made) {
  if (made) return;
  perror("a made run");
  abort();
}

static void write_record(FILE *out, json_t *record) {
  check(record != NULL);
  check(json_dumpf(record, out, JSON_COMPACT | JSON_REAL_PRECISION(17)) == 0);
  fputc('\n', out);
  json_decref(record);
}

static void write_header(FILE *out, const made_run *r) {
  char config[2000];
  snprintf(
      config, sizeof config,
      "model = { preset = \"\"; layers = 2; embed_dim = %d; heads = 4; pair_dim = 16; pair_hidden = 8; "
      "ffn_dim = %d; };\n"
      "data = { lanes = 4; %s };\n"
      "train = { seed = %d; steps = %d; batch_size = %d; micro_batches = 2; };\n"
      "optimizer = { learning_rate = %.17g; schedule = \"%s\"; warmup_steps = %d; cooldown_steps = %d; %s "
      "};\nvalidation = { %s };\n",
      r->width, r->width, r->data, r->seed, r->planned, r->batch, r->rate, r->schedule, r->warmup,
      strcmp(r->schedule, "cooldown") == 0 ? r->planned / 5 : 0, r->optimizer, r->validation);
  write_record(out, json_pack("{s:s, s:s, s:{s:i, s:i}, s:s, s:f, s:i, s:i}", "type", "run", "config", config,
                              "parameters", "total", 1000 * r->width, "without_embeddings", 600 * r->width,
                              "store_digest", r->store, "store_train_records", r->train_records,
                              "store_valid_records", 300, "started_unix", 1700000000));
}

static void write_step(FILE *out, const made_run *r, int step) {
  double samples = (double)step * r->batch;
  write_record(out,
               json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "type", "step", "step", step,
                         "samples", samples, "loss", 1.1 * made_loss(r, step, TT_TERM_TOTAL), "loss_token",
                         0.7, "lr", r->rate, "atoms", 17 * samples, "pairs", 401 * samples, "flops_executed",
                         1e3 * r->width * samples / 3, "flops_reference", 2e3 * r->width * samples / 3));
}

static void write_valid(FILE *out, const made_run *r, int step) {
  json_t *record = json_pack("{s:s, s:i, s:f, s:i, s:i}", "type", "valid", "step", step, "samples",
                             (double)step * r->batch, "count", 300, "masked", 700);
  static const char *const keys[TT_TERMS] = {"loss", "loss_token", "loss_position", "loss_distance"};
  for (int t = 0; t < TT_TERMS; t++) {
    char error[40];
    bool finite = !r->diverges_at || step < r->diverges_at;
    snprintf(error, sizeof error, "%s_se", keys[t]);
    json_object_set_new(record, keys[t], finite ? json_real(made_loss(r, step, (tt_term)t)) : json_null());
    json_object_set_new(record, error, json_real(0.01 / 3));
  }
  write_record(out, record);
}

void make_run(const char *folder, const made_run *r) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", folder, r->name);
  check(mkdir(path, 0777) == 0);
  strcat(path, "/run.jsonl");
  FILE *out = fopen(path, "w");
  check(out != NULL);
  write_header(out, r);
  int every = r->planned / 10;
  for (int step = 0; step <= r->reached; step += every) {
    write_valid(out, r, step);
    // none at a validation's step, but at the last: what it lacks must be computed
    if (step + 3 * every / 10 <= r->reached) write_step(out, r, step + 3 * every / 10);
    if (step + 7 * every / 10 <= r->reached) write_step(out, r, step + 7 * every / 10);
    if (step + every == r->planned && r->reached == r->planned) write_step(out, r, r->planned);
  }
  check(fclose(out) == 0);
}

void make_folder(char *folder, size_t size) {
  snprintf(folder, size, "scaling_test.XXXXXX");
  check(mkdtemp(folder) != NULL);
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *walk) {
  (void)s, (void)kind, (void)walk;
  return remove(path);
}

void remove_folder(const char *folder) {
  check(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

void write_text(const char *folder, const char *name, const char *text) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *out = fopen(path, "wb");
  check(out != NULL);
  check(fwrite(text, 1, strlen(text), out) == strlen(text) && fclose(out) == 0);
}
