// twotrack checkpoint: what a checkpoint holds, its digest, and whether it is whole. The model need not be
// known.
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "train/checkpoint.h"
#include "train/runlog.h"

static const char help[] =
    "usage: twotrack checkpoint info FILE [--tensors] [--json]   what a checkpoint holds\n"
    "       twotrack checkpoint info FILE --config               the configuration of its run, as it was "
    "resolved\n"
    "       twotrack checkpoint digest FILE                      the digest of its contents\n"
    "       twotrack checkpoint verify FILE [--json]             reads all of it and compares every digest\n"
    "       twotrack checkpoint import CHECKPOINT.pt --out FILE  a checkpoint of weights from one of the "
    "published "
    "code\n"
    "\n"
    "FILE is a checkpoint, or a run folder: then its newest checkpoint.\n"
    "\n"
    "'info' checks the structure of the file but does not read the values. 'digest' reads them: the digest "
    "of\n"
    "parameters, optimizer moments, step and samples is the same for the same training state, however it "
    "was\n"
    "computed and whatever file it lies in. 'verify' names each broken tensor.\n"
    "\n"
    "  --tensors  also a line a tensor: name, shape, digest of its values\n"
    "  --json     as one JSON object\n"
    "  --help     this text\n"
    "\n"
    "exit code: 0 all is well, 1 the file is broken, no checkpoint or cannot be read, 2 wrong usage\n";

typedef struct {
  const char *what; // info, digest or verify
  char path[PATH_MAX];
  bool tensors, config, json;
} options;

static int usage(const char *problem, const char *value) {
  fprintf(stderr, "twotrack checkpoint: %s%s; see 'twotrack checkpoint --help'\n", problem, value);
  return 2;
}

static int fail(const char *what) {
  fprintf(stderr, "twotrack checkpoint %s: %s\n", what, tt_error_message());
  return 1;
}

static int find_file(options *o, const char *name) {
  struct stat s;
  snprintf(o->path, sizeof o->path, "%s", name);
  if (stat(name, &s) != 0 || !S_ISDIR(s.st_mode)) return 0;
  int64_t step;
  if (tt_checkpoint_newest(name, INT64_MAX, &step, o->path, sizeof o->path) != TT_OK) return fail(o->what);
  if (o->path[0]) return 0;
  tt_fail(TT_ERR_IO, "the folder %s holds no checkpoints/step-NNNNNNNNN.h5", name);
  return fail(o->what);
}

static int print_json(json_t *object) {
  int failed = !object || json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) != 0;
  json_decref(object);
  return (puts("") < 0 || failed) ? 1 : 0;
}

static json_t *tensors_to_json(const tt_checkpoint_info *info) {
  json_t *all = json_array();
  for (int i = 0; i < info->parameters.count; i++) {
    const tt_parameter *p = &info->parameters.list[i];
    json_t *shape = json_pack("[i]", p->shape[0]);
    if (p->dims == 2) json_array_append_new(shape, json_integer(p->shape[1]));
    json_array_append_new(
        all, json_pack("{s:s, s:o, s:s}", "name", p->name, "shape", shape, "digest", info->digests[i].text));
  }
  return all;
}

static json_t *info_to_json(const options *o, const tt_checkpoint_info *info) {
  const tt_progress_state *s = &info->state;
  json_t *object = json_pack(
      "{s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:i, s:b, s:s, s:s, s:I, s:s}", "file", o->path, "step",
      (json_int_t)s->step, "samples", (json_int_t)s->samples, "atoms", (json_int_t)s->atoms, "pairs",
      (json_int_t)s->pairs, "flops_executed", tt_runlog_number(s->flops_executed), "flops_reference",
      tt_runlog_number(s->flops_reference), "parameters", (json_int_t)info->parameters.total, "tensors",
      info->parameters.count, "moments", info->has_moments, "store_digest", s->store_digest, "digest",
      info->digest.text, "skipped_chunks", (json_int_t)s->skipped.count, "config", s->config);
  json_t *batches = json_array();
  for (size_t k = 0; k < s->skipped_batches.count; k++)
    json_array_append_new(batches, json_integer((json_int_t)s->skipped_batches.values[k]));
  if (object) json_object_set(object, "skipped_batches", batches);
  json_decref(batches);
  if (object && o->tensors) json_object_set_new(object, "tensor_list", tensors_to_json(info));
  return object;
}

static void print_tensors(const tt_checkpoint_info *info) {
  int widest = 0;
  for (int i = 0; i < info->parameters.count; i++) {
    int width = (int)strlen(info->parameters.list[i].name);
    if (width > widest) widest = width;
  }
  puts("");
  for (int i = 0; i < info->parameters.count; i++) {
    const tt_parameter *p = &info->parameters.list[i];
    char shape[40];
    if (p->dims == 2)
      snprintf(shape, sizeof shape, "%d x %d", p->shape[0], p->shape[1]);
    else
      snprintf(shape, sizeof shape, "%d", p->shape[0]);
    printf("%-*s  %13s  %s\n", widest, p->name, shape, info->digests[i].text);
  }
}

static int print_info(const options *o) {
  tt_checkpoint_info info;
  if (tt_checkpoint_info_read(o->path, &info) != TT_OK) return fail("info");
  const tt_progress_state *s = &info.state;
  int code = 0;
  if (o->json)
    code = print_json(info_to_json(o, &info));
  else if (o->config)
    fputs(s->config, stdout);
  else {
    printf("checkpoint  %s\n", o->path);
    printf("step        %" PRId64 "\n", s->step);
    printf("seen        %" PRIu64 " molecules, %" PRIu64 " atoms, %" PRIu64 " pairs\n", s->samples, s->atoms,
           s->pairs);
    printf("FLOPs       %.4g executed, %.4g of the reference formula\n", s->flops_executed,
           s->flops_reference);
    printf("parameters  %" PRId64 " in %d tensors, %s optimizer moments\n", info.parameters.total,
           info.parameters.count, info.has_moments ? "with" : "without");
    printf("store       %s\n", *s->store_digest ? s->store_digest : "unknown");
    if (s->skipped.count)
      printf("skipped     %zu chunk%s of training molecules that could not be read\n", s->skipped.count,
             s->skipped.count == 1 ? "" : "s");
    if (s->skipped_batches.count) {
      char list[120];
      tt_number_set_print(&s->skipped_batches, list, sizeof list);
      printf("left out    %zu batch%s: %s\n", s->skipped_batches.count,
             s->skipped_batches.count == 1 ? "" : "es", list);
    }
    printf("digest      %s\n", info.digest.text);
    if (o->tensors) print_tensors(&info);
  }
  tt_checkpoint_info_free(&info);
  return code;
}

static int print_digest(const options *o) {
  tt_digest digest;
  if (tt_checkpoint_verify(o->path, NULL, NULL, &digest) != TT_OK) return fail("digest");
  return puts(digest.text) < 0;
}

static void note_broken(void *user, const char *tensor) {
  json_array_append_new(user, json_string(tensor));
}

static int verify(const options *o) {
  json_t *broken = json_array();
  tt_status status = tt_checkpoint_verify(o->path, note_broken, broken, NULL);
  int code = status != TT_OK;
  if (o->json) {
    const char *error = code ? tt_error_message() : NULL;
    code |= print_json(
        json_pack("{s:s, s:b, s:O, s:s?}", "file", o->path, "ok", !code, "broken", broken, "error", error));
  } else {
    size_t i;
    const json_t *tensor;
    json_array_foreach(broken, i, tensor) printf("broken: %s\n", json_string_value(tensor));
    fflush(stdout);
    if (code)
      fail("verify");
    else
      printf("%s is whole\n", o->path);
  }
  json_decref(broken);
  return code;
}

int tt_cli_checkpoint(int argc, char **argv) {
  static const struct option known[] = {{"tensors", no_argument, NULL, 't'},
                                        {"config", no_argument, NULL, 'c'},
                                        {"json", no_argument, NULL, 'j'},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};
  options o = {0};
  if (argc > 1 && strcmp(argv[1], "import") == 0) return tt_cli_checkpoint_import(argc - 1, argv + 1);
  opterr = 0, optind = 1;
  for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
    if (c == 'h') return fputs(help, stdout) < 0;
    if (c == 't')
      o.tensors = true;
    else if (c == 'c')
      o.config = true;
    else if (c == 'j')
      o.json = true;
    else
      return usage("no option ", argv[optind - 1]);
  }
  if (optind >= argc) return usage("say info, digest, verify or import", "");
  o.what = argv[optind++];
  bool info = strcmp(o.what, "info") == 0, all = strcmp(o.what, "verify") == 0;
  if (!info && !all && strcmp(o.what, "digest") != 0) return usage("no command ", o.what);
  if (optind + 1 != argc) return usage("name one checkpoint or run folder for ", o.what);
  if (!info && (o.tensors || o.config))
    return usage("--tensors and --config belong to info, not to ", o.what);
  if (o.json && !info && !all) return usage("--json does not belong to ", o.what);
  if (o.config && (o.tensors || o.json)) return usage("--config goes alone", "");
  int code = find_file(&o, argv[optind]);
  if (code) return code;
  return info ? print_info(&o) : all ? verify(&o) : print_digest(&o);
}
