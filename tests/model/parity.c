// Compares our model with upstream's, from files of reference vectors:
// parity [--device cpu|cuda] [--precision bf16] FILE.h5...
// Under mpirun the ranks are one tensor group: they share the model and the molecules.
//
// Whatever a file holds of activations, gradients of activations, losses, parameter gradients and Adam
// updates is compared at the real (unpadded) positions, with the model run packed at the file's scaling
// length. Tolerances: |x - x64| <= max(10 * the dataset's f32_max_abs_err, 1e-5 * max_abs); losses 1e-5
// relative; weights after k updates 1e-5 max|w| + 0.02 k lr; gradients that are exactly zero in exact
// arithmetic absolutely, 1e-5.
//
// With operands in bf16 (each rounded by up to 2^-8), tolerances are what bf16_tolerance says, about twice
// the largest error seen in tiny.h5 and small.h5; updates are not compared, for Adam takes a gradient's sign
// where it is small, and neither is tiny_init.h5 (on a device, whose activations are bf16 too, tiny.h5),
// where some coordinates are so near to their targets that rounding turns the sign that is their gradient.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gather.h"
#include "runner.h"

typedef struct {
  char name[128];
  double error, tolerance, largest;
} row;

static struct {
  row rows[1024];
  int count, missed;
  hid_t file;
  padded_batch batch;
  tt_precision precision;
  const tt_ops *ops;
  tt_comm ranks;
} table;

static void record(const char *name, double error, double tolerance, double largest) {
  if (table.count == 1024) exit(2);
  row *r = &table.rows[table.count++];
  snprintf(r->name, sizeof r->name, "%s", name);
  r->error = error, r->tolerance = tolerance, r->largest = largest;
  if (!(error <= tolerance)) table.missed++; // NaN misses too
}

static double worse(double worst, double got, double want) {
  double e = fabs(got - want);
  return e > worst || isnan(e) ? e : worst;
}

// Share of the largest value; seen: 0.011 of activations, 0.012 of their gradients, 0.027 of parameters'
// gradients, but 0.057 of the Gaussian kernel's tables (sums over all pairs that nearly cancel).
static double bf16_tolerance(const char *path) {
  bool gaussian = strstr(path, "gaussian.mul") != NULL || strstr(path, "gaussian.bias") != NULL;
  double share = strncmp(path, "grad64/", 7) != 0 ? 0.025 : gaussian ? 0.12 : 0.06;
  return share * h5_read_attribute(table.file, path, "max_abs");
}

static double tolerance_of(const char *path) {
  if (table.precision == TT_BF16) return bf16_tolerance(path);
  return fmax(10 * h5_read_attribute(table.file, path, "f32_max_abs_err"),
              1e-5 * h5_read_attribute(table.file, path, "max_abs"));
}

// Place of a packed row in the padded dataset, or -1 for a virtual row that the dataset does not have.
typedef struct {
  int64_t first;
  int64_t side;
} padding; // first position held, positions a side

static padding padding_of(int64_t side) {
  return (padding){side == table.batch.n ? 1 : 0, side};
}

static void compare_tokens(const h5_array *want, int dim, const float *data, double *worst, int64_t *seen) {
  const tt_batch *b = &table.batch.batch;
  padding pad = padding_of(want->shape[1]);
  for (int m = 0; m < b->molecules; m++)
    for (int64_t i = pad.first; i < b->length[m]; i++)
      for (int c = 0; c < dim; c++, ++*seen)
        *worst = worse(*worst, data[(b->token_offset[m] + i) * dim + c],
                       want->d[(m * pad.side + i - pad.first) * dim + c]);
}

static void compare_pairs(const h5_array *want, int dim, const float *data, double *worst, int64_t *seen) {
  const tt_batch *b = &table.batch.batch;
  padding pad = padding_of(want->shape[1]);
  for (int m = 0; m < b->molecules; m++)
    for (int64_t i = pad.first; i < b->length[m]; i++)
      for (int64_t j = pad.first; j < b->length[m]; j++)
        for (int c = 0; c < dim; c++, ++*seen)
          *worst = worse(*worst, data[(b->pair_offset[m] + i * b->length[m] + j) * dim + c],
                         want->d[((m * pad.side + i - pad.first) * pad.side + j - pad.first) * dim + c]);
}

static void compare_atom_pairs(const h5_array *want, int dim, const float *data, double *worst,
                               int64_t *seen) {
  const tt_batch *b = &table.batch.batch;
  int64_t n = want->shape[1];
  for (int m = 0; m < b->molecules; m++)
    for (int64_t i = 0, N = b->length[m] - 1; i < N; i++)
      for (int64_t j = 0; j < N; j++)
        for (int c = 0; c < dim; c++, ++*seen)
          *worst = worse(*worst, data[(b->atom_pair_offset[m] + i * N + j) * dim + c],
                         want->d[((m * n + i) * n + j) * dim + c]);
}

static void compare_probabilities(const h5_array *want, int heads, const float *data, double *worst,
                                  int64_t *seen) {
  const tt_batch *b = &table.batch.batch;
  padding pad = padding_of(want->shape[2]);
  for (int m = 0; m < b->molecules; m++)
    for (int h = 0; h < heads; h++)
      for (int64_t L = b->length[m], i = pad.first; i < L; i++)
        for (int64_t j = pad.first; j < L; j++, ++*seen)
          *worst = worse(
              *worst, data[b->pair_offset[m] * heads + (h * L + i) * L + j],
              want->d[(((int64_t)m * heads + h) * pad.side + i - pad.first) * pad.side + j - pad.first]);
}

static void compare(const char *path, tt_probe_rows rows, int dim, const float *data) {
  if (!h5_has(table.file, path)) return;
  h5_array want = h5_read_double(table.file, path);
  double worst = 0;
  int64_t seen = 0;
  switch (rows) {
  case TT_PROBE_TOKENS:
    compare_tokens(&want, dim, data, &worst, &seen);
    break;
  case TT_PROBE_PAIRS:
    compare_pairs(&want, dim, data, &worst, &seen);
    break;
  case TT_PROBE_ATOM_PAIRS:
    compare_atom_pairs(&want, dim, data, &worst, &seen);
    break;
  case TT_PROBE_PROBABILITIES:
    compare_probabilities(&want, dim, data, &worst, &seen);
    break;
  case TT_PROBE_MASKED:
    for (; seen < want.count; seen++) worst = worse(worst, data[seen], want.d[seen]);
    if (want.count != table.batch.batch.masked * dim) worst = NAN;
    break;
  }
  if (!seen) worst = NAN;
  record(path, worst, tolerance_of(path), h5_read_attribute(table.file, path, "max_abs"));
  free(want.data);
}

// Predicted positions and distances are made here from the movement.
static void compare_predictions(const float *move) {
  const tt_batch *b = &table.batch.batch;
  float *position = calloc((size_t)b->tokens * 3, sizeof *position);
  float *distance = calloc((size_t)b->atom_pairs, sizeof *distance);
  if (!position || !distance) exit(2);
  for (int64_t k = 0; k < b->tokens * 3; k++) position[k] = b->position[k] + move[k];
  for (int m = 0; m < b->molecules; m++) {
    const float *p = position + (b->token_offset[m] + 1) * 3;
    for (int64_t i = 0, N = b->length[m] - 1; i < N; i++)
      for (int64_t j = 0; j < N; j++)
        distance[b->atom_pair_offset[m] + i * N + j] =
            hypotf(hypotf(p[3 * j] - p[3 * i], p[3 * j + 1] - p[3 * i + 1]), p[3 * j + 2] - p[3 * i + 2]);
  }
  compare("act64/pred_pos", TT_PROBE_TOKENS, 3, position);
  compare("act64/pred_dist", TT_PROBE_ATOM_PAIRS, 1, distance);
  free(position);
  free(distance);
}

static void compare_probed(const char *name, bool gradient, tt_probe_rows rows, int dim, const float *data) {
  char path[96];
  snprintf(path, sizeof path, "%s/%s", gradient ? "actgrad64" : "act64", name);
  compare(path, rows, dim, data);
  if (strcmp(name, "movement") != 0) return;
  if (gradient)
    compare("actgrad64/pred_pos", rows, dim, data);
  else
    compare_predictions(data);
}

static void probe(void *context, const char *name, bool gradient, tt_probe_rows rows, int dim,
                  const float *data) {
  (void)context;
  float *all = gather_probe(&table.ranks, &table.batch, rows, &dim, data);
  compare_probed(name, gradient, rows, dim, all);
  free(all);
}

// The embeddings of the tokens alone, which our model adds up with the other features at once.
static void compare_token_embeddings(const runner *r) {
  const tt_batch *b = &table.batch.batch;
  const tt_parameter *p = tt_parameters_find(&r->parameters, "embed_tokens.weight");
  int dim = p->shape[1];
  float *rows = calloc((size_t)(b->tokens * dim), sizeof *rows);
  if (!rows) exit(2);
  for (int64_t t = 0; t < b->tokens; t++)
    memcpy(rows + t * dim, r->weights + p->offset + b->token[t] * dim, (size_t)dim * sizeof *rows);
  compare("act64/token_feat", TT_PROBE_TOKENS, dim, rows);
  free(rows);
}

static void compare_loss(const char *name, double got) {
  const double share = table.precision == TT_BF16 ? 0.005 : 1e-5; // seen in bf16: 0.0021
  char path[64];
  snprintf(path, sizeof path, "loss64/%s", name);
  if (!h5_has(table.file, path)) return;
  h5_array want = h5_read_double(table.file, path);
  record(path, fabs(got - want.d[0]), share * fabs(want.d[0]), fabs(want.d[0]));
  free(want.data);
}

static bool zero_gradient(const char *name) {
  static const char *const ends[] = {"self_attn.linear_bias.bias", "movement_pred_head.linear_bias.bias",
                                     "movement_pred_head.pair_layer_norm.bias"};
  for (int k = 0; k < 3; k++) {
    size_t a = strlen(name), b = strlen(ends[k]);
    if (a >= b && strcmp(name + a - b, ends[k]) == 0) return true;
  }
  return false;
}

static void compare_gradients(const runner *r) {
  for (int k = 0; k < r->parameters.count; k++) {
    const tt_parameter *p = &r->parameters.list[k];
    char path[128];
    snprintf(path, sizeof path, "grad64/%s", p->name);
    if (!h5_has(table.file, path)) continue;
    h5_array want = h5_read_double(table.file, path);
    double worst = want.count == p->count ? 0 : NAN, largest = 0;
    bool zero = zero_gradient(p->name);
    const double nothing = table.precision == TT_BF16 ? 3e-4 : 1e-5; // seen in bf16: 1.3e-4
    for (int64_t i = 0; i < p->count; i++) {
      worst = worse(worst, r->gradient[p->offset + i], zero ? 0 : want.d[i]);
      largest = fmax(largest, fabs(want.d[i]));
    }
    record(path, worst, zero ? nothing : tolerance_of(path), largest);
    free(want.data);
  }
}

static void compare_updates(runner *r) {
  if (!h5_has(table.file, "optim") || table.precision == TT_BF16) return;
  const double lr = 1e-3;
  h5_array loss = h5_read_double(table.file, "optim/loss"),
           norm = h5_read_double(table.file, "optim/grad_norm");
  char name[64];
  for (int64_t k = 0; k < loss.count; k++) {
    runner_pass(r, &table.batch);
    snprintf(name, sizeof name, "optim/loss[%d]", (int)k);
    record(name, fabs(r->loss - loss.d[k]), 1e-5 * fabs(loss.d[k]), loss.d[k]);
    if (k == norm.count) break;
    snprintf(name, sizeof name, "optim/grad_norm[%d]", (int)k);
    record(name, fabs(runner_gradient_norm(r) - norm.d[k]), 1e-5 * norm.d[k], norm.d[k]);
    runner_update(r, lr);
  }
  for (int k = 0; k < r->parameters.count; k++) {
    const tt_parameter *p = &r->parameters.list[k];
    char path[128];
    snprintf(path, sizeof path, "optim/weights_after/%s", p->name);
    h5_array want = h5_read_double(table.file, path);
    double worst = want.count == p->count ? 0 : NAN, largest = 0;
    for (int64_t i = 0; i < p->count; i++) {
      worst = worse(worst, r->weights[p->offset + i], want.d[i]);
      largest = fmax(largest, fabs(want.d[i]));
    }
    record(path, worst, 1e-5 * largest + 0.02 * (double)norm.count * lr, largest);
    free(want.data);
  }
  free(loss.data);
  free(norm.data);
}

static int by_closeness(const void *a, const void *b) {
  const row *x = a, *y = b;
  double p = x->tolerance > 0 ? x->error / x->tolerance : 1e300;
  double q = y->tolerance > 0 ? y->error / y->tolerance : 1e300;
  if (isnan(p)) p = INFINITY;
  if (isnan(q)) q = INFINITY;
  return (p < q) - (p > q);
}

static void check_file(const char *path) {
  table.count = table.missed = 0;
  table.file = h5_open(path);
  padded_read(table.file, "inputs/", &table.ranks, &table.batch);
  runner r;
  runner_start(&r, table.file, table.ops, &table.ranks);
  tt_model_set_probe(r.model, probe, NULL);
  runner_pass(&r, &table.batch);
  tt_model_set_probe(r.model, NULL, NULL);
  compare_token_embeddings(&r);
  compare_loss("loss", r.loss);
  compare_loss("masked_token_loss", r.token);
  compare_loss("masked_coord_loss", r.position);
  compare_loss("masked_dist_loss", r.distance);
  compare_gradients(&r);
  compare_updates(&r);
  runner_free(&r);
  padded_free(&table.batch);
  H5Fclose(table.file);

  if (table.ranks.rank) return;
  qsort(table.rows, (size_t)table.count, sizeof *table.rows, by_closeness);
  printf("%s: %d datasets compared, %d outside tolerance; the closest to it:\n", path, table.count,
         table.missed);
  printf("  %-66s %10s %10s %10s %6s\n", "dataset", "max |x|", "error", "tolerance", "ratio");
  int shown = table.missed > 12 ? table.missed : 12;
  for (int k = 0; k < table.count && k < shown; k++) {
    const row *w = &table.rows[k];
    printf("  %-66s %10.3g %10.3g %10.3g %6.3f%s\n", w->name, w->largest, w->error, w->tolerance,
           w->error / w->tolerance, w->error <= w->tolerance ? "" : "  MISS");
  }
}

int main(int argc, char **argv) {
  int first = 1, missed = 0, compared = 0;
  const char *device = "cpu";
  for (; first + 1 < argc && argv[first][0] == '-'; first += 2) {
    const char *value = argv[first + 1];
    if (strcmp(argv[first], "--device") == 0)
      device = value;
    else if (strcmp(argv[first], "--precision") == 0 && strcmp(value, "bf16") == 0)
      table.precision = TT_BF16;
    else
      break;
  }
  if (argc <= first || argv[first][0] == '-')
    return fprintf(stderr, "usage: parity [--device cpu|cuda] [--precision bf16] FILE.h5...\n"), 2;
  table.ops = runner_backend(device, table.precision);
  if (tt_comm_start(&table.ranks) != TT_OK) return fprintf(stderr, "%s\n", tt_error_message()), 2;
  for (int k = first; k < argc; k++) {
    check_file(argv[k]);
    missed += table.missed;
    compared += table.count;
  }
  if (!table.ranks.rank) printf("%d compared, %d outside tolerance\n", compared, missed);
  tt_comm_finish(&table.ranks);
  return missed || !compared;
}
