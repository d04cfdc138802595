// What is read from the launcher's environment and from the files of other ranks. TT_TEST_MUTATIONS sets how
// many of them are damaged, 1000 if unset.
#include <unistd.h>

#include "mutation.h"
#include "preflight/late.h"
#include "preflight/launcher.h"
#include "preflight/nodes.h"

static void clear(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_RANK",
                                      "OMPI_COMM_WORLD_SIZE",
                                      "OMPI_COMM_WORLD_LOCAL_RANK",
                                      "OMPI_COMM_WORLD_LOCAL_SIZE",
                                      "SLURM_PROCID",
                                      "SLURM_STEP_NUM_TASKS",
                                      "SLURM_LOCALID",
                                      "SLURM_JOB_ID",
                                      "SLURM_STEP_ID",
                                      "SLURM_RESTART_COUNT",
                                      "SLURM_STEP_NODELIST",
                                      "SLURM_STEP_TASKS_PER_NODE",
                                      "PMI_RANK",
                                      "PMI_SIZE",
                                      "PMIX_NAMESPACE",
                                      "TWOTRACK_NODES",
                                      "SLURMD_NODENAME"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) unsetenv(names[k]);
}

static void host(const char *list, int index, const char *wanted) {
  char node[TT_NODE_NAME] = "not set";
  tt_launcher_host_at(list, index, node, sizeof node);
  assert_string_equal(node, wanted);
}

static void test_lists(void **state) {
  (void)state;
  host("n1", 0, "n1"), host("n1", 1, ""), host("", 0, "");
  host("n[1-3,07],login", 0, "n1"), host("n[1-3,07],login", 2, "n3");
  host("n[1-3,07],login", 3, "n07"), host("n[1-3,07],login", 4, "login"), host("n[1-3,07],login", 5, "");
  host("gpu[098-101]", 1, "gpu099"), host("gpu[098-101]", 3, "gpu101");
  host("a,b,c[2,9]", 3, "c9");
  // not understood: no name rather than a wrong one
  host("r[1-2]c[1-2]", 1, ""), host("n[1-", 0, ""), host("n[x]", 0, ""), host("n[3-1]", 0, ""),
      host("n[]", 0, "");
}

static void expected(int rank, const char *wanted) {
  char node[TT_NODE_NAME] = "not set";
  tt_launcher_expected_node(rank, node, sizeof node);
  assert_string_equal(node, wanted);
}

static void test_expected_nodes(void **state) {
  (void)state;
  clear();
  expected(0, "");
  setenv("SLURM_STEP_NODELIST", "n[1-4]", 1), setenv("SLURM_STEP_TASKS_PER_NODE", "2(x3),1", 1);
  expected(0, "n1"), expected(1, "n1"), expected(2, "n2"), expected(5, "n3"), expected(6, "n4"),
      expected(7, "");
  setenv("OMPI_COMM_WORLD_SIZE", "7", 1); // mpirun's ranks are not the step's tasks
  expected(2, "");
  setenv("TWOTRACK_NODES", "a:2 b c:4", 1);
  expected(0, "a"), expected(1, "a"), expected(2, "b"), expected(3, "c"), expected(6, "c"), expected(7, "");
}

static void test_launcher(void **state) {
  (void)state;
  tt_launcher l;
  clear();
  tt_launcher_read(&l);
  assert_int_equal(l.rank, 0), assert_int_equal(l.size, 1);
  // a batch script is no rank
  setenv("SLURM_PROCID", "0", 1), setenv("SLURM_JOB_ID", "12", 1), setenv("SLURM_NTASKS", "4", 1);
  tt_launcher_read(&l);
  assert_int_equal(l.size, 1);
  setenv("SLURM_PROCID", "3", 1), setenv("SLURM_STEP_NUM_TASKS", "4", 1), setenv("SLURM_STEP_ID", "0", 1);
  setenv("SLURM_LOCALID", "1", 1), setenv("SLURMD_NODENAME", "n2", 1);
  tt_launcher_read(&l);
  assert_int_equal(l.rank, 3), assert_int_equal(l.size, 4), assert_int_equal(l.local_rank, 1);
  assert_string_equal(l.node, "n2"), assert_string_equal(l.key, "12.0.0");
  setenv("SLURM_RESTART_COUNT", "2", 1); // the same numbers, another start
  tt_launcher_read(&l);
  assert_string_equal(l.key, "12.0.2");
  // mpirun in a job: its daemons' variables are there too
  setenv("OMPI_COMM_WORLD_RANK", "1", 1), setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  setenv("PMIX_NAMESPACE", "prte@host/7", 1);
  tt_launcher_read(&l);
  assert_int_equal(l.rank, 1), assert_int_equal(l.size, 2);
  assert_string_equal(l.key, "prte-host-7-12");
  clear();
}

// ---- nodes.h

static char said[1000];

static void say(void *context, const char *who, const char *text) {
  (void)context;
  snprintf(said + strlen(said), sizeof said - strlen(said), "%s: %s\n", who, text);
}

static void test_sayings(void **state) {
  (void)state;
  const tt_nodes_saying one[] = {{2, "n2", "bad"}, {3, "n2", "bad"}, {3, "n2", "worse"}, {5, "n3", "worse"}};
  said[0] = 0;
  tt_nodes_tell(one, 4, 6, say, NULL);
  assert_string_equal(said, "node n2 (ranks 2-3): bad\nnodes n2, n3 (ranks 3, 5): worse\n");
  const tt_nodes_saying all[] = {{0, "n1", "bad"}, {1, "n2", "bad"}, {2, "n1", "bad"}};
  said[0] = 0;
  tt_nodes_tell(all, 3, 3, say, NULL);
  assert_string_equal(said, "all 2 nodes (ranks 0-2): bad\n");
  const tt_nodes_saying unknown[] = {{0, "n1", "late"}, {3, "", "late"}, {7, "", "late"}};
  said[0] = 0;
  tt_nodes_tell(unknown, 3, 9, say, NULL);
  assert_string_equal(said, "node n1 (rank 0): late\nranks 3, 7: late\n");
}

// ---- damage: nothing but texts that end comes of it (run it under the sanitizers)

enum { ROOM = 1 << 13 };

static size_t damage(const char *seed, char *text) {
  static const char telling[] = "[](),:-x 019\n\xff";
  static const char *const words[] = {
      "9223372036854775807", "-9223372036854775808", "-1",  "[0-999999999999]",
      "(x4000000000)",       "4000000000",           "nan", "\n\n"};
  size_t n = strlen(seed);
  memcpy(text, seed, n);
  for (uint32_t hits = 1 + draw(4); hits; hits--)
    mutate_text(&(mutation){ROOM, telling, sizeof telling, words, sizeof words / sizeof *words, 30}, text,
                &n);
  text[n] = 0;
  return n;
}

static void test_damaged_lists(void **state) {
  (void)state;
  char text[ROOM + 1], node[TT_NODE_NAME];
  drawn.seed = 7;
  clear();
  for (long k = mutations_wanted(1000); k > 0; k--) {
    int rank = (int)draw(12);
    damage("n[1-3,07],login,c[08-11]", text);
    tt_launcher_host_at(text, rank, node, sizeof node);
    setenv("SLURM_STEP_NODELIST", "n[1-4]", 1);
    damage("2(x3),1", text);
    setenv("SLURM_STEP_TASKS_PER_NODE", text, 1);
    tt_launcher_expected_node(rank, node, sizeof node);
    damage("a:2 b c:4", text);
    setenv("TWOTRACK_NODES", text, 1);
    tt_launcher_expected_node(rank, node, sizeof node);
    assert_true(strlen(node) < sizeof node);
    clear();
  }
}

static void test_damaged_files(void **state) {
  (void)state;
  static tt_attendance a;
  static tt_attendance_entry e;
  char text[ROOM + 1], path[PATH_MAX];
  snprintf(a.folder, sizeof a.folder, "/tmp/twotrack-late-XXXXXX");
  assert_non_null(mkdtemp(a.folder));
  tt_attendance_path(&a, 3, path, sizeof path);
  const char *seed = "17\nn2\nreading molecules from the store, /data\n12\n1\nstore: bad\nrun folder: bad\n";
  write_file(path, seed, strlen(seed));
  tt_late_read(&a, 3, &e);
  assert_true(e.there && e.waits && e.beat == 17 && e.seconds == 12);
  assert_string_equal(e.node, "n2"), assert_string_equal(e.problems, "store: bad\nrun folder: bad\n");
  for (long k = mutations_wanted(1000); k > 0; k--) {
    size_t n = damage(seed, text);
    write_file(path, text, n);
    tt_late_read(&a, 3, &e);
    assert_true(e.there && strlen(e.node) < sizeof e.node && strlen(e.place) < sizeof e.place);
  }
  unlink(path), rmdir(a.folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lists),         cmocka_unit_test(test_expected_nodes),
      cmocka_unit_test(test_launcher),      cmocka_unit_test(test_sayings),
      cmocka_unit_test(test_damaged_lists), cmocka_unit_test(test_damaged_files)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
