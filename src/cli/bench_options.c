#include "cli/bench_options.h"

#include <getopt.h>
#include <stdlib.h>

enum { OWN = 8, STORE, SET, JSON }; // below OWN: which of the command's own
enum { MOST = OWN + 5 };

// The table for getopt: the command's own options, then the shared ones.
static void list(const tt_bench_options *o, struct option known[MOST]) {
  int count = 0;
  for (; o->options[count].name && count < OWN; count++)
    known[count] = (struct option){o->options[count].name, required_argument, NULL, count};
  if (o->config) {
    known[count++] = (struct option){"store", required_argument, NULL, STORE};
    known[count++] = (struct option){"set", required_argument, NULL, SET};
  }
  known[count++] = (struct option){"json", no_argument, NULL, JSON};
  known[count++] = (struct option){"help", no_argument, NULL, 'h'};
  known[count] = (struct option){0};
}

tt_status tt_bench_read_options(tt_bench_options *o, int argc, char **argv, void *arguments) {
  struct option known[MOST];
  list(o, known);
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
    if (c == '?')
      return tt_fail(TT_ERR_ARGUMENT,
                     "%s: '%s' is no option, or its value is missing; see 'twotrack %s --help'", o->command,
                     argv[optind - 1], o->command);
    if (c == 'h') return o->help = true, TT_OK;
    if (c == JSON)
      o->json = true;
    else if (c == STORE)
      o->config->store = optarg;
    else
      TT_TRY(c == SET ? tt_cli_add_set(o->config, optarg) : o->options[c].take(optarg, arguments));
  }
  return TT_OK;
}

tt_status tt_bench_read_count(const char *command, const char *text, const char *option, int64_t least,
                              int64_t *value) {
  char *end;
  long long n = strtoll(text, &end, 10);
  if (end == text || *end || n < least || n > 1000000)
    return tt_fail(TT_ERR_ARGUMENT, "%s: %s takes a whole number from %lld to 1000000, not '%s'", command,
                   option, (long long)least, text);
  *value = n;
  return TT_OK;
}
