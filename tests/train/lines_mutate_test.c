// Damaged run logs, starts.jsonl, failures.jsonl and lists of batches are read or refused with a message,
// never crash, leak or go on without end (run it under the sanitizers). TT_TEST_MUTATIONS sets how many, 1000
// if unset.
#include <limits.h>
#include <unistd.h>

#include "mutation.h"
#include "core/number_set.h"
#include "train/batches.h"
#include "train/failures.h"
#include "train/replay_log.h"
#include "train/spikes.h"
#include "train/starts.h"

enum { ROOM = 1 << 13 };

static char run[] = "/tmp/twotrack-lines-XXXXXX";

static const char run_log[] =
    "{\"type\": \"run\", \"ranks\": 2, \"backend\": \"cpu, v4\"}\n"
    "{\"type\": \"step\", \"step\": 1, \"loss\": 5.5, \"lr\": 0.1, \"grad_norm\": null}\n"
    "{\"type\": \"skip\", \"step\": 2, \"position\": 5, \"records\": 256, \"reason\": \"x\"}\n"
    "{\"type\": \"step\", \"step\": 2, \"loss\": 5.25, \"loss_token\": 1.5}\n"
    "{\"type\": \"skip_batch\", \"step\": 3, \"policy\": \"list\", \"batch\": 2, \"batches\": 3}\n"
    "{\"type\": \"rollback\", \"step\": 3, \"policy\": \"rollback\", \"batch\": 7, \"back_to\": 1}\n"
    "{\"type\": \"step\", \"step\": 3, \"loss\": 5.125}\n"
    "{\"type\": \"resume\", \"step\": 3, \"ranks\": 4, \"backend\": \"cpu\"}\n";
static const char starts[] =
    "{\"step\":8,\"time\":1,\"node\":\"n\",\"job\":null,\"restart\":0,\"ranks\":2}\n"
    "{\"step\":8,\"time\":2,\"node\":\"n\",\"job\":\"7\",\"restart\":1,\"ranks\":2}\n";
static const char failures[] = "{\"checkpoint\":8,\"step\":11,\"rank\":3,\"message\":\"bad\"}\n"
                               "{\"checkpoint\":8,\"step\":12,\"rank\":0,\"message\":\"worse\"}\n";
static const char list[] = "0, 12, 500-519 7,8-9";

static void mutate(char *text, size_t *n) {
  static const char telling[] = "{}[]\":,.- \n\\eE019\xff";
  static const char *const words[] = {"9223372036854775807",
                                      "-9223372036854775808",
                                      "99999999999999999999",
                                      "1000000000000",
                                      "1e308",
                                      "-1",
                                      "null",
                                      "\"step\"",
                                      "[[[[[[[[",
                                      "\"batches\": 5,",
                                      "\\u0000",
                                      "{}\n"};
  mutate_text(&(mutation){ROOM, telling, sizeof telling, words, sizeof words / sizeof *words, 40}, text, n);
}

// Refused: with a message.
static bool fine(tt_status status) {
  assert_true(status == TT_OK || *tt_error_message());
  return status == TT_OK;
}

static bool read_run_log(const tt_lanes *lanes) {
  tt_replay_log log;
  tt_number_set batches = {0};
  tt_spikes spikes;
  bool good = fine(tt_replay_log_read(&log, run, 1, 3, lanes));
  if (good) good = fine(tt_batches_of_log(log.batches, 3, &batches));
  for (size_t k = 0; k < batches.count; k++) assert_true(batches.values[k] >= 0);
  tt_number_set_free(&batches);
  tt_replay_log_free(&log);
  assert_int_equal(tt_spikes_init(&spikes, 8, 6), TT_OK);
  (void)fine(tt_spikes_refill(&spikes, run, 3));
  tt_spikes_free(&spikes);
  return good;
}

static bool read_list(const char *text) {
  char printed[100];
  tt_number_set set = {0};
  bool good = fine(tt_number_set_parse(&set, text));
  for (size_t k = 1; k < set.count; k++) assert_true(set.values[k - 1] < set.values[k]);
  tt_number_set_print(&set, printed, sizeof printed);
  assert_true(strlen(printed) < sizeof printed);
  tt_number_set_free(&set);
  return good;
}

static bool read_one(int kind, const char *text, size_t n, const tt_lanes *lanes) {
  static const char *const names[] = {"run", "starts", "failures"};
  char path[100];
  if (kind == 3) return read_list(text);
  snprintf(path, sizeof path, "%s/%s.jsonl", run, names[kind]);
  write_file(path, text, n);
  tt_failure last;
  bool good = kind == 0   ? read_run_log(lanes)
              : kind == 1 ? fine(tt_starts_check(run, 8))
                          : fine(tt_failures_check(run, 8)) & fine(tt_failures_last(run, &last));
  unlink(path);
  return good;
}

static void damaged_texts_are_read_or_refused(void **state) {
  (void)state;
  static const char *const seeds[] = {run_log, starts, failures, list};
  long count = mutations_wanted(1000), accepted = 0;
  drawn.seed = 2026;
  tt_lanes lanes;
  assert_int_equal(tt_lanes_init(&lanes, 1, 5000, 20, 4), TT_OK);
  setenv("TWOTRACK_RESTART", "1", 1);
  char *text = malloc(ROOM + 1);
  assert_true(read_one(0, run_log, strlen(run_log), &lanes) && read_one(3, list, strlen(list), &lanes));
  for (long k = 0; k < count; k++) {
    int kind = (int)(k % 4);
    size_t n = strlen(seeds[kind]);
    memcpy(text, seeds[kind], n);
    for (uint32_t hits = 1 + draw(4); hits; hits--) mutate(text, &n);
    text[n] = 0;
    accepted += read_one(kind, text, n, &lanes);
  }
  free(text);
  print_message("%ld of %ld damaged texts were accepted\n", accepted, count);
  assert_true(accepted > 0 && accepted < count);
}

int main(void) {
  if (!mkdtemp(run)) return 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_texts_are_read_or_refused)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  rmdir(run);
  return failed;
}
