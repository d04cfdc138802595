// twotrack checkpoint import: a checkpoint of the published code made into one of ours.
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "train/checkpoint_import.h"

static const char help[] =
    "usage: twotrack checkpoint import CHECKPOINT.pt --out FILE.h5 [--ema] [--new-heads] [--json]\n"
    "\n"
    "Makes a checkpoint of weights, for 'twotrack train --init-from FILE.h5', of a checkpoint of the "
    "published\n"
    "Uni-Mol2. The model is found from the tensors' shapes; float16, bfloat16 and float64 become float32. "
    "Nothing in\n"
    "the file is executed: a pickle that refers to anything but tensors and plain values is refused. "
    "Optimizer state\n"
    "is not taken over.\n"
    "\n"
    "  --out FILE.h5  checkpoint to write\n"
    "  --ema          the moving average of the weights, where the file has one\n"
    "  --new-heads    initial values for a head of the pretraining that the file lacks (fine-tuned "
    "checkpoints)\n"
    "  --json         what was found as one JSON object\n"
    "  --help         this text\n"
    "\n"
    "exit code: 0 written, 1 the file cannot be used or written, 2 wrong usage\n";

static int usage(const char *problem, const char *value) {
  fprintf(stderr, "twotrack checkpoint import: %s%s; see 'twotrack checkpoint import --help'\n", problem,
          value);
  return 2;
}

static const char *const type_names[TT_IMPORT_TYPES] = {"float32", "float16", "bfloat16", "float64"};

static int print_json(const tt_import_report *r, const char *out, bool average) {
  const tt_model_config *c = &r->model;
  json_t *types = json_object();
  for (int k = 0; k < TT_IMPORT_TYPES; k++)
    json_object_set_new(types, type_names[k], json_integer(r->types[k]));
  json_t *object = json_pack(
      "{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:i, s:o, s:i, s:s, s:b, s:b, s:b, s:f, s:I}", "file",
      out, "preset", c->preset, "layers", c->layers, "embed_dim", c->embed_dim, "heads", c->heads, "pair_dim",
      c->pair_dim, "pair_hidden", c->pair_hidden, "ffn_dim", c->ffn_dim, "parameters",
      (json_int_t)r->parameters, "tensors", r->tensors, "types", types, "left_out", r->left_out, "new_heads",
      r->new_heads, "ema", average, "has_ema", r->has_average, "has_gaussian_mean", r->has_means,
      "gaussian_mean_off", r->means_off, "updates", (json_int_t)r->updates);
  int failed = !object || json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) != 0;
  json_decref(object);
  return (puts("") < 0 || failed) ? 1 : 0;
}

static void print_types(const tt_import_report *r) {
  const char *separator = "";
  for (int k = 0; k < TT_IMPORT_TYPES; k++) {
    if (!r->types[k]) continue;
    printf("%s%d %s", separator, r->types[k], type_names[k]);
    separator = ", ";
  }
}

static int print_text(const tt_import_report *r, const char *out, bool average) {
  const tt_model_config *c = &r->model;
  printf(
      "model       %s: %d layers, width %d, %d heads, pair width %d, hidden pair width %d, feed-forward %d\n",
      *c->preset ? c->preset : "no preset", c->layers, c->embed_dim, c->heads, c->pair_dim, c->pair_hidden,
      c->ffn_dim);
  printf("parameters  %" PRId64 " in %d tensors (in the file: ", r->parameters, r->tensors);
  print_types(r);
  puts(")");
  if (r->updates >= 0)
    printf("updates     %" PRId64 " done by the run that wrote it; ours will count from 0\n", r->updates);
  if (average)
    puts("weights     their moving average");
  else if (r->has_average)
    puts("weights     as after the last update; the file has their moving average, too (--ema)");
  if (!r->has_means)
    puts("note        the file lacks the centres of the Gaussian kernel: linspace(0, 9, 128) is taken");
  else if (r->means_off > 1e-5)
    printf("note        the centres of its Gaussian kernel are rounded by up to %.4f (half precision does "
           "that); "
           "they are kept\n",
           r->means_off);
  if (*r->new_heads) printf("note        %s: not in the file, initial values\n", r->new_heads);
  if (r->left_out) printf("note        %d tensors of classification heads were left out\n", r->left_out);
  printf("written     %s\n", out);
  return 0;
}

static bool same_file(const char *a, const char *b) {
  struct stat x, y;
  return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int tt_cli_checkpoint_import(int argc, char **argv) {
  static const struct option known[] = {
      {"out", required_argument, NULL, 'o'}, {"ema", no_argument, NULL, 'e'},
      {"new-heads", no_argument, NULL, 'n'}, {"json", no_argument, NULL, 'j'},
      {"help", no_argument, NULL, 'h'},      {0}};
  tt_import_options options = {0};
  tt_import_report report;
  const char *out = NULL;
  bool json = false;
  opterr = 0, optind = 1;
  for (int c; (c = getopt_long(argc, argv, ":ho:", known, NULL)) != -1;) {
    if (c == 'h') return fputs(help, stdout) < 0;
    if (c == 'o')
      out = optarg;
    else if (c == 'e')
      options.average = true;
    else if (c == 'n')
      options.new_heads = true;
    else if (c == 'j')
      json = true;
    else
      return usage(c == ':' ? "a value is missing after " : "no option ", argv[optind - 1]);
  }
  if (optind + 1 != argc) return usage("name one checkpoint of the published code", "");
  if (!out) return usage("--out is missing", "");
  if (same_file(argv[optind], out)) return usage("--out would replace the file itself: ", out);
  if (tt_checkpoint_import(argv[optind], out, &options, &report) != TT_OK) {
    fprintf(stderr, "twotrack checkpoint import: %s\n", tt_error_message());
    return 1;
  }
  return json ? print_json(&report, out, options.average) : print_text(&report, out, options.average);
}
