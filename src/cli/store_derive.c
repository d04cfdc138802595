#include "cli/store_derive.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "train/identity.h"

typedef struct {
  const tt_derive_command *command;
  tt_derive_options options;
  const char **stores; // (argc)
  bool json;
} request;

static int wrong(const tt_derive_command *c, const char *format, const char *what) {
  fprintf(stderr, "twotrack store %s: ", c->command);
  fprintf(stderr, format, what);
  fprintf(stderr, "; see 'twotrack store %s --help'\n", c->command);
  return 2;
}

bool tt_cli_read_integer(const char *text, uint64_t low, uint64_t high, uint64_t *value) {
  char *end;
  errno = 0;
  *value = strtoull(text, &end, 10);
  return *text >= '0' && *text <= '9' && !*end && errno == 0 && *value >= low && *value <= high;
}

bool tt_cli_read_number(const char *text, double low, double high, double *value) {
  char *end;
  *value = strtod(text, &end);
  return end != text && !*end && isfinite(*value) && *value >= low && *value <= high;
}

static bool is_own(const tt_derive_command *c, const char *name) {
  for (const char *const *own = c->names; own && *own; own++)
    if (strcmp(*own, name) == 0) return true;
  return false;
}

// Options that take a value. 0: taken; 2: wrong, and said so.
static int take_value(request *q, const char *name, const char *value) {
  const tt_derive_command *c = q->command;
  const char *must = NULL;
  uint64_t n = 0;
  bool out = strcmp(name, "--out") == 0, shards = strcmp(name, "--shards") == 0;
  if (!out && !shards && !is_own(c, name)) return wrong(c, "no option '%s'", name);
  if (!value) return wrong(c, "%s needs a value", name);
  if (out)
    q->options.folder = value;
  else if (!shards)
    must = c->take(name, value);
  else if (!tt_cli_read_integer(value, 1, TT_PLAN_TRAIN_SHARDS, &n))
    must = "a whole number from 1 to 90000";
  else
    q->options.shards = (uint32_t)n;
  char text[300];
  snprintf(text, sizeof text, "'%s %.100s': the value must be %s", name, value, must ? must : "");
  return must ? wrong(c, "%s", text) : 0;
}

// 0 go on, 1 help was printed, 2 wrong usage.
static int read_options(request *q, int argc, char **argv) {
  const tt_derive_command *c = q->command;
  for (int k = 1; k < argc; k++) {
    if (strcmp(argv[k], "--help") == 0 || strcmp(argv[k], "-h") == 0) return fputs(c->help, stdout), 1;
    if (argv[k][0] != '-') {
      q->stores[q->options.count++] = argv[k];
    } else if (strcmp(argv[k], "--json") == 0) {
      q->json = true;
    } else {
      int code = take_value(q, argv[k], k + 1 < argc ? argv[k + 1] : NULL);
      if (code) return code;
      k++;
    }
  }
  q->options.stores = q->stores;
  if (c->many && q->options.count < 2) return wrong(c, "%s", "name two stores or more");
  if (!c->many && q->options.count != 1) return wrong(c, "%s", "name one store");
  if (!q->options.folder || !*q->options.folder)
    return wrong(c, "%s", "say where to put the store: --out DIR");
  const char *missing = c->missing ? c->missing() : NULL;
  return missing ? wrong(c, "%s", missing) : 0;
}

// ---- what is printed
// ------------------------------------------------------------------------------------------

static void print_text(const request *q, const tt_derive_summary *s) {
  typedef unsigned long long number;
  const tt_rewrite_summary *w = &s->written;
  uint64_t molecules = w->molecules[0] + w->molecules[1];
  printf("%s: %llu molecules (%llu to train on, %llu for validation) with %llu conformers in %u shards\n",
         q->options.folder, (number)molecules, (number)w->molecules[0], (number)w->molecules[1],
         (number)w->conformers, w->shards[0] + w->shards[1]);
  printf("read %llu molecules (%llu to train on, %llu for validation)\n", (number)(s->read[0] + s->read[1]),
         (number)s->read[0], (number)s->read[1]);
  if (q->command->print) q->command->print(s);
  printf("wrote %.1f MB in %.1f s, %.0f molecules/s\n", (double)w->bytes * 1e-6, w->seconds,
         (double)molecules / w->seconds);
}

static json_t *by_split(uint64_t train, uint64_t valid) {
  return json_pack("{s:I, s:I}", "train", (json_int_t)train, "valid", (json_int_t)valid);
}

static int print_json(const request *q, const tt_derive_summary *s) {
  const tt_rewrite_summary *w = &s->written;
  tt_store *store;
  if (tt_store_open(&store, q->options.folder) != TT_OK)
    return fprintf(stderr, "twotrack store %s: %s\n", q->command->command, tt_error_message()), 1;
  json_t *json =
      json_pack("{s:o, s:s, s:o, s:o, s:I, s:o, s:I, s:f}", "store", tt_utf8_json(q->options.folder),
                "digest", tt_store_digest(store), "read", by_split(s->read[0], s->read[1]), "molecules",
                by_split(w->molecules[0], w->molecules[1]), "conformers", (json_int_t)w->conformers, "shards",
                by_split(w->shards[0], w->shards[1]), "bytes", (json_int_t)w->bytes, "seconds", w->seconds);
  tt_store_close(store);
  if (json && q->command->add) q->command->add(s, json);
  int failed = !json || json_dumpf(json, stdout, JSON_INDENT(1)) != 0;
  json_decref(json);
  return puts("") < 0 || failed;
}

int tt_cli_derive(const tt_derive_command *command, int argc, char **argv) {
  request q = {.command = command, .stores = calloc((size_t)argc + 1, sizeof *q.stores)};
  if (!q.stores) return fprintf(stderr, "twotrack store %s: out of memory\n", command->command), 1;
  int stop = read_options(&q, argc, argv), code = stop == 1 ? 0 : stop;
  if (!stop) {
    tt_comm comm;
    tt_derive_summary summary;
    if (tt_comm_start(&comm) != TT_OK) tt_comm_abort(&comm);
    code = tt_identity_check_arguments(&comm, argc, argv) != TT_OK ||
           command->run(&comm, &q.options, &summary) != TT_OK;
    if (code == 0 && comm.rank == 0) {
      if (q.json)
        code = print_json(&q, &summary);
      else
        print_text(&q, &summary);
    }
    tt_comm_finish(&comm);
  }
  free(q.stores);
  return code;
}
