// twotrack store build: molecules to a store.
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "building/build.h"
#include "train/identity.h"

static const char help[] =
    "usage: twotrack store build [--smiles] FILE... [--sdf FILE...] [--xyz FILE...] [--lmdb FILE...] --out "
    "DIR [OPTIONS]\n"
    "\n"
    "Makes a store of molecules with 3-D conformers in DIR. Under mpirun or srun the ranks share the work; "
    "the result is\n"
    "the same, byte for byte, for any number of ranks and any order of the input.\n"
    "\n"
    "  --smiles FILE...      one SMILES a line, then anything after white space; '#' starts a comment line.\n"
    "                        Conformers are generated: ETKDGv3, then MMFF94 (UFF where it has no "
    "parameters)\n"
    "  --sdf FILE...         SDF files (V2000 or V3000) with 3-D coordinates, which are kept. Records of the "
    "same\n"
    "                        molecule become its conformers\n"
    "  --xyz FILE...         XYZ files of one or many frames with all hydrogens; bonds are found from the "
    "places, a "
    "total\n"
    "                        charge is read from the comment (charge=-1). Frames of one molecule become its "
    "conformers\n"
    "  --lmdb FILE...        databases of Uni-Mol or Uni-Mol2, whose SMILES and geometries are kept. What is "
    "pickled in\n"
    "                        them is read, never run\n"
    "                        Files of text may be gzipped. FILEs before these options are told apart by "
    "their\n"
    "                        ends: .sdf, .sd, .xyz, .lmdb and .mdb; all others hold SMILES\n"
    "  --out DIR             where to put the store; DIR must not hold one yet\n"
    "  --conformers K        conformers to generate for a molecule, at most 1000 (default 1)\n"
    "  --seed N              of order, splits and conformers (default 1)\n"
    "  --valid-fraction F    molecules set apart for validation, 0 to 0.5 (default 0.02)\n"
    "  --keep-hydrogens      keep hydrogen atoms (default: heavy atoms only)\n"
    "  --coordinates-2d      add 2-D coordinates\n"
    "  --max-atoms N         refuse larger molecules, at most 1024 (default 256)\n"
    "  --shards N            files for the training molecules (default: from the number of records). More of "
    "them let\n"
    "                        more ranks share the work\n"
    "  --spill MB            what a rank gathers in memory before it puts it into DIR/building (default "
    "256)\n"
    "\n"
    "A record that cannot be used is listed with its reason in DIR/rejected.tsv and does not stop the build. "
    "Duplicates\n"
    "(the same canonical SMILES) are kept once. A build that was stopped, however that was, is gone on with "
    "by the "
    "same\n"
    "command, on any number of ranks: what was finished is in DIR and DIR/building. To begin anew instead, "
    "remove "
    "DIR.\n";

static int wrong(const char *format, const char *what) {
  fprintf(stderr, "twotrack store build: ");
  fprintf(stderr, format, what);
  fprintf(stderr, "; see 'twotrack store build --help'\n");
  return 2;
}

static bool read_integer(const char *text, uint64_t low, uint64_t high, uint64_t *value) {
  char *end;
  errno = 0;
  unsigned long long v = strtoull(text, &end, 10);
  *value = v;
  return *text >= '0' && *text <= '9' && !*end && errno == 0 && v >= low && v <= high;
}

static bool read_fraction(const char *text, double *value) {
  char *end;
  *value = strtod(text, &end);
  return end != text && !*end && isfinite(*value) && *value >= 0 && *value <= 0.5;
}

static bool read_megabytes(const char *text, size_t *bytes) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end || !(value >= 0.001 && value <= 65536)) return false;
  *bytes = (size_t)(value * 0x1p20);
  return true;
}

static bool ends_with(const char *text, size_t length, const char *end) {
  size_t n = strlen(end);
  return length >= n && strncasecmp(text + length - n, end, n) == 0;
}

static tt_input_kind kind_by_name(const char *path) {
  size_t length = strlen(path);
  if (ends_with(path, length, ".gz")) length -= 3;
  if (ends_with(path, length, ".lmdb") || ends_with(path, length, ".mdb")) return TT_INPUT_LMDB;
  if (ends_with(path, length, ".xyz")) return TT_INPUT_XYZ;
  return ends_with(path, length, ".sdf") || ends_with(path, length, ".sd") ? TT_INPUT_SDF : TT_INPUT_SMILES;
}

// Options that take a value. 0: taken; 2: wrong, and said so; -1: no such option.
static int read_value(const char *name, const char *value, tt_build_options *o) {
  static const char *const names[] = {"--out",       "--conformers", "--seed", "--valid-fraction",
                                      "--max-atoms", "--shards",     "--spill"};
  size_t k = 0;
  while (k < sizeof names / sizeof *names && strcmp(name, names[k]) != 0) k++;
  if (k == sizeof names / sizeof *names) return -1;
  if (!value) return wrong("%s needs a value", name);
  uint64_t n = 0;
  bool good = true;
  static const char *const ranges[] = {"",
                                       "a whole number from 1 to 1000",
                                       "a whole number from 0 to 18446744073709551615",
                                       "0 to 0.5",
                                       "a whole number from 1 to 1024",
                                       "a whole number from 1 to 90000",
                                       "a number of megabytes, 0.001 to 65536"};
  _Static_assert(TT_CHEM_MAX_ATOMS == 1024, "ranges[4] and the help name the limit");
  switch (k) {
  case 0:
    o->folder = value;
    break;
  case 1:
    good = read_integer(value, 1, 1000, &n), o->recipe.conformers = (int)n;
    break;
  case 2:
    good = read_integer(value, 0, UINT64_MAX, &o->seed);
    break;
  case 3:
    good = read_fraction(value, &o->valid_fraction);
    break;
  case 4:
    good = read_integer(value, 1, TT_CHEM_MAX_ATOMS, &n), o->recipe.max_atoms = (int)n;
    break;
  case 5:
    good = read_integer(value, 1, 90000, &n), o->shards = (uint32_t)n;
    break;
  default:
    good = read_megabytes(value, &o->spill_bytes);
    break;
  }
  char text[300];
  snprintf(text, sizeof text, "'%s %.100s': the value must be %s", name, value, ranges[k]);
  return good ? 0 : wrong("%s", text);
}

// 0 go on, 1 help was printed, 2 wrong usage. o->files has room for argc files.
static int read_options(int argc, char **argv, tt_build_options *o) {
  static const char *const kinds[] = {[TT_INPUT_SMILES] = "--smiles",
                                      [TT_INPUT_SDF] = "--sdf",
                                      [TT_INPUT_XYZ] = "--xyz",
                                      [TT_INPUT_LMDB] = "--lmdb"};
  enum { KINDS = sizeof kinds / sizeof *kinds };
  int kind = KINDS; // until an option says: by the name
  for (int k = 1; k < argc; k++) {
    const char *name = argv[k];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return fputs(help, stdout), 1;
    int named = 0;
    while (named < KINDS && strcmp(name, kinds[named]) != 0) named++;
    if (name[0] != '-')
      o->files[o->file_count++] =
          (tt_build_file){name, kind < KINDS ? (tt_input_kind)kind : kind_by_name(name)};
    else if (named < KINDS)
      kind = named;
    else if (strcmp(name, "--keep-hydrogens") == 0)
      o->recipe.hydrogens = true;
    else if (strcmp(name, "--coordinates-2d") == 0)
      o->recipe.coordinates_2d = true;
    else {
      int code = read_value(name, k + 1 < argc ? argv[k + 1] : NULL, o);
      if (code) return code < 0 ? wrong("no option '%s'", name) : code;
      k++;
    }
  }
  if (!o->file_count) return wrong("%s", "name a file of molecules");
  if (!o->folder || !*o->folder) return wrong("%s", "say where to put the store: --out DIR");
  return 0;
}

static void print_summary(const tt_build_options *o, const tt_build_summary *s) {
  typedef unsigned long long number;
  uint64_t molecules = s->molecules[TT_TRAIN] + s->molecules[TT_VALID];
  printf("%s: %llu molecules (%llu to train on, %llu for validation) with %llu conformers in %u shards\n",
         o->folder, (number)molecules, (number)s->molecules[TT_TRAIN], (number)s->molecules[TT_VALID],
         (number)s->conformers, s->shards);
  if (s->was_finished) {
    printf("the store was complete already; what its build had left in %s/building was removed\n", o->folder);
    return;
  }
  if (s->read_before || s->shards_before)
    printf("went on with a build that was stopped: %llu records and %u shards were there\n",
           (number)s->read_before, s->shards_before);
  printf("read %llu records: %llu are of a molecule that was there, %llu cannot be used", (number)s->read,
         (number)s->merged, (number)s->rejected);
  for (int k = 0; k < TT_REJECT_KINDS && s->kinds[k].count; k++)
    printf("%s%s %llu", k ? ", " : " (", s->kinds[k].kind, (number)s->kinds[k].count);
  if (s->rejected) printf("; see %s/rejected.tsv)", o->folder);
  static const char *const names[] = {[TT_GEOMETRY_GIVEN] = "of the file",
                                      [TT_GEOMETRY_MMFF] = "MMFF94",
                                      [TT_GEOMETRY_UFF] = "UFF",
                                      [TT_GEOMETRY_ETKDG] = "ETKDG alone"};
  printf("\ngeometries: ");
  const char *comma = "";
  for (int g = TT_GEOMETRY_GIVEN; g <= TT_GEOMETRY_ETKDG; g++)
    if (s->geometry[g]) printf("%s%s %llu", comma, names[g], (number)s->geometry[g]), comma = ", ";
  printf("\ntook %.1f s, %.0f molecules/s\n", s->seconds,
         (double)(molecules - s->molecules_before) / s->seconds);
  if (o->valid_fraction > 0 && s->molecules[TT_VALID] == 0)
    fprintf(stderr,
            "twotrack: warning: no molecule fell to validation; use a larger --valid-fraction for so few\n");
}

int tt_cli_store_build(int argc, char **argv) {
  tt_build_options options = {.recipe = tt_chem_recipe_default(), .seed = 1, .valid_fraction = 0.02};
  options.files = calloc((size_t)argc, sizeof *options.files);
  if (!options.files) return fprintf(stderr, "twotrack store build: out of memory\n"), 1;
  int stop = read_options(argc, argv, &options), code = stop == 1 ? 0 : stop;
  if (!stop) {
    tt_comm comm;
    tt_build_summary summary;
    if (tt_comm_start(&comm) != TT_OK) tt_comm_abort(&comm);
    code = tt_identity_check_arguments(&comm, argc, argv) != TT_OK ||
           tt_store_build(&comm, &options, &summary) != TT_OK;
    if (code == 0 && comm.rank == 0) print_summary(&options, &summary);
    tt_comm_finish(&comm);
  }
  free(options.files);
  return code;
}
