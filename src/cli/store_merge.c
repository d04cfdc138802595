// twotrack store merge: several stores made into one.
#include <stdio.h>

#include "cli/cli.h"
#include "cli/store_derive.h"

static const char help[] =
    "usage: twotrack store merge DIR DIR... --out DIR [OPTIONS]\n"
    "\n"
    "Makes one store of several, which stay as they are. Under mpirun or srun the ranks share the work; the "
    "result is the\n"
    "same, byte for byte, for any number of ranks. Stores of SMILES files merge into the store that a build "
    "from all the\n"
    "files with the same options would have made (cut into other shards where the numbers fall so).\n"
    "\n"
    "  --out DIR   where to put the store; DIR must not hold one yet\n"
    "  --shards N  files for the training molecules (default: from the number of molecules)\n"
    "  --json      the summary as one JSON object\n"
    "  --help      this text\n"
    "\n"
    "A molecule that is in several stores is kept once, with the distinct conformers of all, in the order of "
    "the stores.\n"
    "One that is for validation in any store is for validation in the result. The stores must have been "
    "built with the\n"
    "same --seed, --keep-hydrogens and --coordinates-2d. Interrupted, the same command starts afresh.\n";

static void print(const tt_derive_summary *s) {
  typedef unsigned long long number;
  const tt_unite_counts *u = &s->written.united;
  printf("%llu records joined an earlier one of the same molecule: %llu conformers of theirs were there",
         (number)u->joined, (number)u->same);
  if (u->beyond)
    printf(", %llu were left out of molecules that have 65,535, which is the most", (number)u->beyond);
  if (u->other_graph)
    printf("; %llu had another graph than the first store's and were left out", (number)u->other_graph);
  printf("; %llu that one store trains on are another's validation, and stay that\n", (number)s->moved);
}

static void add(const tt_derive_summary *s, json_t *json) {
  const tt_unite_counts *u = &s->written.united;
  json_object_set_new(json, "joined", json_integer((json_int_t)u->joined));
  json_object_set_new(json, "same_conformers", json_integer((json_int_t)u->same));
  json_object_set_new(json, "conformers_beyond_limit", json_integer((json_int_t)u->beyond));
  json_object_set_new(json, "other_graph", json_integer((json_int_t)u->other_graph));
  json_object_set_new(json, "moved_to_validation", json_integer((json_int_t)s->moved));
}

int tt_cli_store_merge(int argc, char **argv) {
  static const tt_derive_command command = {
      .command = "merge", .help = help, .many = true, .run = tt_store_merge, .print = print, .add = add};
  return tt_cli_derive(&command, argc, argv);
}
