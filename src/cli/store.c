// twotrack store: builds stores of molecules and makes new ones of them (store_*.c), says what one holds,
// checks one.
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/utf8.h"
#include "store/store.h"

static const char help[] =
    "usage: twotrack store build ...         molecules to a store; see 'twotrack store build --help'\n"
    "       twotrack store merge DIR DIR... --out DIR    several stores made into one\n"
    "       twotrack store split DIR --valid N --out DIR    exactly N molecules for validation\n"
    "       twotrack store sample DIR --temperature T --count N --out DIR    N molecules drawn by scaffold\n"
    "       twotrack store info DIR [--json]    what a store holds\n"
    "       twotrack store verify DIR [--json]  read all of it and compare every checksum\n"
    "\n"
    "A store is a folder of shard-NNNNN.h5 files and a manifest.json. 'info' reads the manifest only.\n"
    "'verify' prints a line a shard, goes on past broken ones, and ends with exit code 1 if any is broken.\n";

static const char info_help[] = "usage: twotrack store info DIR [--json]\n"
                                "\n"
                                "Prints what the manifest of the store in DIR says: records, shards, atoms, "
                                "pairs (the sum over molecules of\n"
                                "(atoms + 1)^2, which the cost of training follows), lengths, how it was "
                                "made, and the digest that names it.\n"
                                "\n"
                                "  --json  as one JSON object\n"
                                "  --help  this text\n";

static const char verify_help[] = "usage: twotrack store verify DIR [--json]\n"
                                  "\n"
                                  "Reads every shard of the store in DIR and compares it with its checksums "
                                  "and with the manifest. One line a\n"
                                  "shard; exit code 1 if any is broken, missing or of another store.\n"
                                  "\n"
                                  "  --json  one JSON object: ok, and file, ok and error of each shard\n"
                                  "  --help  this text\n";

// ---- options
// --------------------------------------------------------------------------------------------------

typedef struct {
  const char *folder;
  bool json;
} options;

// 0 go on, 1 help was printed, 2 wrong usage.
static int read_options(int argc, char **argv, const char *text, options *o) {
  static const struct option known[] = {
      {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
  opterr = 0, optind = 1;
  for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
    if (c == 'h') return fputs(text, stdout), 1;
    if (c == 'j') {
      o->json = true;
      continue;
    }
    fprintf(stderr, "twotrack store %s: no option '%s'; see 'twotrack store %s --help'\n", argv[0],
            argv[optind - 1], argv[0]);
    return 2;
  }
  if (optind + 1 != argc) {
    fprintf(stderr, "twotrack store %s: name one store folder; see 'twotrack store %s --help'\n", argv[0],
            argv[0]);
    return 2;
  }
  o->folder = argv[optind];
  return 0;
}

static int fail(const char *what) {
  fprintf(stderr, "twotrack store %s: %s\n", what, tt_error_message());
  return 1;
}

static int print_json(json_t *object) {
  int failed = json_dumpf(object, stdout, JSON_INDENT(1)) != 0;
  json_decref(object);
  return puts("") < 0 || failed;
}

// ---- info
// -----------------------------------------------------------------------------------------------------

static const char *const split_names[] = {"train", "valid"};

typedef struct {
  uint64_t shards;
  tt_shard_entry sum;
} split_sum;

static split_sum add_up(const tt_store *store, tt_split split) {
  split_sum s = {0};
  for (uint32_t k = 0; k < tt_store_shards(store); k++) {
    const tt_shard_entry *e = tt_store_shard(store, k);
    if (e->split != split) continue;
    if (e->records && (s.sum.records == 0 || e->shortest < s.sum.shortest)) s.sum.shortest = e->shortest;
    if (e->longest > s.sum.longest) s.sum.longest = e->longest;
    s.shards++;
    s.sum.records += e->records, s.sum.conformers += e->conformers, s.sum.atoms += e->atoms;
    s.sum.bonds += e->bonds, s.sum.pairs += e->pairs, s.sum.bytes += e->bytes;
    for (int b = 0; b < TT_LENGTH_BINS; b++) s.sum.lengths[b] += e->lengths[b];
  }
  return s;
}

static double mean(uint64_t total, uint64_t count) {
  return count ? (double)total / (double)count : 0;
}

static json_t *split_to_json(const tt_store *store, tt_split split) {
  split_sum s = add_up(store, split);
  json_t *lengths = json_array();
  for (int b = 0; b < TT_LENGTH_BINS; b++)
    json_array_append_new(lengths, json_integer((json_int_t)s.sum.lengths[b]));
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:i, s:o}", "records",
                   (json_int_t)s.sum.records, "chunks", (json_int_t)tt_store_chunks(store, split), "shards",
                   (json_int_t)s.shards, "conformers", (json_int_t)s.sum.conformers, "atoms",
                   (json_int_t)s.sum.atoms, "bonds", (json_int_t)s.sum.bonds, "pairs",
                   (json_int_t)s.sum.pairs, "bytes", (json_int_t)s.sum.bytes, "shortest",
                   (json_int_t)s.sum.shortest, "mean_atoms", mean(s.sum.atoms, s.sum.records), "longest",
                   (json_int_t)s.sum.longest, "length_bin", TT_LENGTH_BIN, "lengths", lengths);
}

static int print_info_json(const tt_store *store) {
  const tt_store_info *info = tt_store_information(store);
  json_t *object = json_pack(
      "{s:o, s:s, s:i, s:b, s:b, s:s, s:s, s:o, s:{s:o, s:o}}", "store", tt_utf8_json(tt_store_folder(store)),
      "digest", tt_store_digest(store), "schema_version", TT_STORE_SCHEMA, "hydrogens", (int)info->hydrogens,
      "coordinates_2d", (int)info->coordinates_2d, "toolkit", info->toolkit, "recipe", info->recipe, "seed",
      json_sprintf("%" PRIu64, info->seed), "splits", split_names[0], split_to_json(store, TT_TRAIN),
      split_names[1], split_to_json(store, TT_VALID));
  return print_json(object);
}

static void print_lengths(const split_sum *both) {
  uint64_t records = both[0].sum.records + both[1].sum.records, most = 0;
  for (int b = 0; b < TT_LENGTH_BINS; b++) {
    uint64_t n = both[0].sum.lengths[b] + both[1].sum.lengths[b];
    if (n > most) most = n;
  }
  if (most == 0) return;
  printf("\n%-12s %10s\n", "atoms", "molecules");
  for (int b = 0; b < TT_LENGTH_BINS; b++) {
    uint64_t n = both[0].sum.lengths[b] + both[1].sum.lengths[b];
    if (n == 0) continue;
    char range[24];
    snprintf(range, sizeof range, b + 1 < TT_LENGTH_BINS ? "%d - %d" : "%d or more", b * TT_LENGTH_BIN,
             (b + 1) * TT_LENGTH_BIN - 1);
    printf("%-12s %10" PRIu64 " %5.1f %% %.*s\n", range, n, 100 * mean(n, records),
           (int)((n * 40 + most - 1) / most), "########################################");
  }
}

static int print_info(const tt_store *store) {
  const tt_store_info *info = tt_store_information(store);
  printf("store       %s\ndigest      %s\ntoolkit     %s\nrecipe      %s\nseed        %" PRIu64
         "\nhydrogens   %s\n2-D         %s\nschema      version %d\n\n",
         tt_store_folder(store), tt_store_digest(store), info->toolkit, info->recipe, info->seed,
         info->hydrogens ? "kept" : "removed", info->coordinates_2d ? "yes" : "no", TT_STORE_SCHEMA);
  printf("%-6s %11s %9s %7s %11s %12s %12s %14s %15s %20s\n", "split", "records", "chunks", "shards",
         "conformers", "atoms", "bonds", "pairs", "bytes", "atoms min/mean/max");
  split_sum both[2];
  for (int split = 0; split < 2; split++) {
    both[split] = add_up(store, (tt_split)split);
    const tt_shard_entry *s = &both[split].sum;
    printf("%-6s %11" PRIu64 " %9" PRIu64 " %7" PRIu64 " %11" PRIu64 " %12" PRIu64 " %12" PRIu64 " %14" PRIu64
           " %15" PRIu64 " %7" PRIu64 " %6.1f %5" PRIu64 "\n",
           split_names[split], s->records, tt_store_chunks(store, (tt_split)split), both[split].shards,
           s->conformers, s->atoms, s->bonds, s->pairs, s->bytes, s->shortest, mean(s->atoms, s->records),
           s->longest);
  }
  print_lengths(both);
  return 0;
}

static int run_info(int argc, char **argv) {
  options o = {0};
  int stop = read_options(argc, argv, info_help, &o);
  if (stop) return stop == 1 ? 0 : stop;
  tt_store *store;
  if (tt_store_open(&store, o.folder) != TT_OK) return fail("info");
  int failed = o.json ? print_info_json(store) : print_info(store);
  tt_store_close(store);
  return failed;
}

// ---- verify
// ---------------------------------------------------------------------------------------------------

static int run_verify(int argc, char **argv) {
  options o = {0};
  int stop = read_options(argc, argv, verify_help, &o);
  if (stop) return stop == 1 ? 0 : stop;
  tt_store *store;
  if (tt_store_open(&store, o.folder) != TT_OK) return fail("verify");
  json_t *shards = json_array();
  uint32_t broken = 0, count = tt_store_shards(store);
  for (uint32_t k = 0; k < count; k++) {
    const tt_shard_entry *e = tt_store_shard(store, k);
    bool ok = tt_store_verify_shard(store, k) == TT_OK;
    const char *why = ok ? "" : tt_error_message();
    broken += !ok;
    if (o.json) {
      json_array_append_new(
          shards, json_pack("{s:s, s:b, s:o}", "file", e->file, "ok", (int)ok, "error", tt_utf8_json(why)));
    } else if (ok) {
      printf("ok      %s  %s  %" PRIu64 " records  %" PRIu64 " bytes\n", e->file, split_names[e->split],
             e->records, e->bytes);
    } else {
      printf("BROKEN  %s\n", why);
    }
    fflush(stdout);
  }
  bool unsaid = false;
  if (o.json)
    unsaid = print_json(json_pack("{s:o, s:s, s:b, s:o}", "store", tt_utf8_json(o.folder), "digest",
                                  tt_store_digest(store), "ok", (int)(broken == 0), "shards", shards));
  else {
    printf("%s: %u of %u shards are sound\n", o.folder, count - broken, count);
    json_decref(shards);
  }
  tt_store_close(store);
  return broken || unsaid;
}

int tt_cli_store(int argc, char **argv) {
  static const tt_command commands[] = {{"build", tt_cli_store_build, ""},
                                        {"merge", tt_cli_store_merge, ""},
                                        {"split", tt_cli_store_split, ""},
                                        {"sample", tt_cli_store_sample, ""},
                                        {"info", run_info, ""},
                                        {"verify", run_verify, ""},
                                        {NULL, NULL, NULL}};
  if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
    return fputs(help, stdout) < 0;
  for (const tt_command *c = commands; argc >= 2 && c->name; c++)
    if (strcmp(argv[1], c->name) == 0) return c->run(argc - 1, argv + 1);
  if (argc >= 2) fprintf(stderr, "twotrack store: no command '%s'\n", argv[1]);
  fputs(help, stderr);
  return 2;
}
