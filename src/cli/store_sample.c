// twotrack store sample: a part of a store's training molecules, drawn by scaffold.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/store_derive.h"

static const char help[] =
    "usage: twotrack store sample DIR --temperature T --count N --out DIR [OPTIONS]\n"
    "\n"
    "Makes a store of exactly N of the molecules to train on, drawn by scaffold as the paper does, and of "
    "all "
    "molecules for\n"
    "validation. Molecules of one Murcko scaffold are a group; those without a ring are one group too. Of M "
    "molecules M_i\n"
    "are in group i. A group is drawn with probability softmax(P / T), P_i = M_i / M, then one of its "
    "molecules; what is\n"
    "drawn is not put back, and a group that is used up drops out. Under mpirun or srun the ranks share the "
    "work; the\n"
    "result is the same, byte for byte, for any number of ranks.\n"
    "\n"
    "  --temperature T  of the softmax, 1e-6 to 1e6 (the paper: 0.005). A high one draws all groups alike, a "
    "low one\n"
    "                   the largest first. What counts is P / T: in a small store P is large, and the "
    "paper's T "
    "prefers\n"
    "                   large groups by far\n"
    "  --count N        molecules to draw\n"
    "  --seed S         of the draw (default 1). With the same seed a larger N has the molecules of a "
    "smaller "
    "one\n"
    "  --out DIR        where to put the store; DIR must not hold one yet\n"
    "  --shards N       files for the training molecules (default: from the number of molecules)\n"
    "  --json           the summary as one JSON object\n"
    "  --help           this text\n"
    "\n"
    "Prints how the molecules were spread over scaffolds before and after. The effective number, M^2 / sum "
    "of "
    "M_i^2, is\n"
    "that of equally large groups which would be as uneven. Interrupted, the same command starts afresh.\n";

static tt_race race = {.seed = 1};

static const char *take(const char *name, const char *value) {
  if (strcmp(name, "--seed") == 0)
    return tt_cli_read_integer(value, 0, UINT64_MAX, &race.seed)
               ? NULL
               : "a whole number from 0 to 18446744073709551615";
  if (strcmp(name, "--count") == 0)
    return tt_cli_read_integer(value, 1, INT64_MAX, &race.count) ? NULL
                                                                 : "a whole number of molecules, at least 1";
  return tt_cli_read_number(value, 1e-6, 1e6, &race.temperature) ? NULL : "a number from 1e-6 to 1e6";
}

static const char *missing(void) {
  if (race.temperature == 0) return "say at what temperature to draw (the paper: 0.005): --temperature T";
  return race.count ? NULL : "say how many molecules to draw: --count N";
}

static tt_status run(const tt_comm *comm, const tt_derive_options *options, tt_derive_summary *summary) {
  return tt_store_sample(comm, options, &race, summary);
}

static double effective(const tt_scaffold_counts *c) {
  return c->squares ? (double)c->molecules * (double)c->molecules / (double)c->squares : 0;
}

static double percent(uint64_t part, const tt_scaffold_counts *of) {
  return of->molecules ? 100 * (double)part / (double)of->molecules : 0;
}

static void print(const tt_derive_summary *s) {
  const tt_scaffold_counts *both[] = {&s->before, &s->after};
  static const char *const names[] = {"before", "after"};
  printf("\n%-7s %12s %12s %14s %12s   %s\n", "", "molecules", "scaffolds", "effective", "without ring",
         "largest scaffolds, % of the molecules");
  for (int k = 0; k < 2; k++) {
    const tt_scaffold_counts *c = both[k];
    printf("%-7s %12" PRIu64 " %12" PRIu64 " %14.1f %10.2f %%  ", names[k], c->molecules, c->scaffolds,
           effective(c), percent(c->acyclic, c));
    for (int n = 0; n < TT_RACE_LARGEST && c->largest[n].molecules; n++)
      printf(" %.2f", percent(c->largest[n].molecules, c));
    printf("\n");
  }
  printf("\n");
}

static json_t *to_json(const tt_scaffold_counts *c) {
  json_t *largest = json_array();
  for (int n = 0; n < TT_RACE_LARGEST && c->largest[n].molecules; n++)
    json_array_append_new(largest, json_pack("{s:o, s:I}", "scaffold",
                                             json_sprintf("%016" PRIx64, c->largest[n].scaffold), "molecules",
                                             (json_int_t)c->largest[n].molecules));
  return json_pack("{s:I, s:I, s:f, s:I, s:o}", "molecules", (json_int_t)c->molecules, "scaffolds",
                   (json_int_t)c->scaffolds, "effective", effective(c), "without_ring",
                   (json_int_t)c->acyclic, "largest", largest);
}

static void add(const tt_derive_summary *s, json_t *json) {
  json_object_set_new(json, "scaffolds_before", to_json(&s->before));
  json_object_set_new(json, "scaffolds_after", to_json(&s->after));
}

int tt_cli_store_sample(int argc, char **argv) {
  static const char *const names[] = {"--temperature", "--count", "--seed", NULL};
  static const tt_derive_command command = {.command = "sample",
                                            .help = help,
                                            .names = names,
                                            .take = take,
                                            .missing = missing,
                                            .run = run,
                                            .print = print,
                                            .add = add};
  return tt_cli_derive(&command, argc, argv);
}
