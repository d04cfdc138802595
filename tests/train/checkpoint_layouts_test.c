// Checkpoints by layouts of ranks: whoever writes, by whatever writer, the bytes are the same, and whoever
// reads has every value. Run with 4 ranks, of which 1, 2 or 4 take part.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/philox.h"
#include "train/checkpoint_load.h"
#include "train/collective_write.h"
#include "train/saver.h"

// Odd sizes, so that shards begin in the middle of rows, and heads that ranks cannot share evenly.
static const tt_model_config model = {
    .layers = 3, .embed_dim = 100, .heads = 5, .pair_dim = 12, .pair_hidden = 7, .ffn_dim = 300};

typedef struct {
  int ranks, tensor;
} layout;

static const layout layouts[] = {{1, 1}, {2, 1}, {4, 1}, {2, 2}, {4, 2}, {4, 4}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts, ALL = 4 };

static tt_comm world;
static char folder[64], reference[100]; // of rank 0, known to all

// One rank's side of a layout.
typedef struct {
  bool in; // it takes part
  tt_comm ranks;
  tt_mesh mesh;
  tt_parameters parameters;
  tt_shards shards;
  tt_checkpoint_share share;
} side;

static float value_of(int section, int tensor, int64_t element) {
  uint32_t bits = tt_philox(5, (uint32_t)element, (uint32_t)tensor, (uint32_t)section, 0).v[0];
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static side side_make(layout l) {
  side s = {.in = world.rank < l.ranks};
  MPI_Comm_split(world.mpi, s.in ? 0 : MPI_UNDEFINED, world.rank, &s.ranks.mpi);
  if (!s.in) return s;
  MPI_Comm_rank(s.ranks.mpi, &s.ranks.rank);
  MPI_Comm_size(s.ranks.mpi, &s.ranks.size);
  assert_int_equal(tt_mesh_make(&s.mesh, &s.ranks, l.tensor), TT_OK);
  assert_int_equal(tt_parameters_build(&s.parameters, &model, l.tensor, s.mesh.tensor.rank), TT_OK);
  return s;
}

// The mesh must lie where it stays, for the shards point to it.
static void side_share(side *s) {
  if (!s->in) return;
  size_t total = (size_t)s->parameters.total;
  assert_int_equal(tt_shards_make(&s->shards, &s->mesh, &s->parameters), TT_OK);
  s->share = (tt_checkpoint_share){.parameters = &s->parameters, .shards = &s->shards};
  assert_int_equal(tt_alloc(&s->share.weights, total, sizeof(float), "weights"), TT_OK);
  assert_int_equal(tt_alloc(&s->share.moment1, (size_t)s->shards.own, sizeof(float), "moments"), TT_OK);
  assert_int_equal(tt_alloc(&s->share.moment2, (size_t)s->shards.own, sizeof(float), "moments"), TT_OK);
}

static void side_free(side *s) {
  if (!s->in) return;
  free(s->share.weights), free(s->share.moment1), free(s->share.moment2);
  tt_shards_free(&s->shards);
  tt_parameters_free(&s->parameters);
  tt_mesh_free(&s->mesh);
  MPI_Comm_free(&s->ranks.mpi);
}

// Sets what the rank owns, and nothing else, to the true values.
static void fill(side *s) {
  tt_own_walk w = {0};
  while (tt_shards_next(&s->shards, &s->parameters, &w))
    for (int section = 0; section < 3; section++)
      for (int64_t i = 0; i < w.run.count; i++)
        tt_checkpoint_place(&s->share, section, &w)[i] = value_of(section, w.run.index, w.run.element + i);
}

static void scribble(side *s) {
  memset(s->share.weights, 0x55, (size_t)s->parameters.total * sizeof(float));
  memset(s->share.moment1, 0x55, (size_t)s->shards.own * sizeof(float));
  memset(s->share.moment2, 0x55, (size_t)s->shards.own * sizeof(float));
}

static bool is_value(float x, int section, int tensor, int64_t element) {
  float wanted = value_of(section, tensor, element);
  return memcmp(&x, &wanted, sizeof x) == 0;
}

// All weights of the rank's tensor place, and its own moments.
static void assert_values(const side *s) {
  int64_t wrong = 0;
  tt_run_of_elements run;
  for (int64_t at = 0; at < s->parameters.total; at += run.count) {
    run = tt_parameters_run(&s->parameters, at, s->parameters.total);
    for (int64_t i = 0; i < run.count; i++)
      wrong += !is_value(s->share.weights[at + i], 0, run.index, run.element + i);
  }
  tt_own_walk w = {0};
  while (tt_shards_next(&s->shards, &s->parameters, &w))
    for (int section = 1; section < 3; section++)
      for (int64_t i = 0; i < w.run.count; i++)
        wrong += !is_value(tt_checkpoint_place(&s->share, section, &w)[i], section, w.run.index,
                           w.run.element + i);
  assert_int_equal(wrong, 0);
}

static tt_lane_cut cuts[] = {{12, 200, 0}, {1ull << 40, 0, 0}, {1ull << 41, 3, 0}};

static tt_progress_state progress(void) {
  return (tt_progress_state){.skipped = {cuts, 3, 3},
                             .step = 77,
                             .samples = 1234,
                             .flops_executed = 5e20,
                             .means = {0.5f, 3},
                             .config = (char *)"seed = 1;\n"};
}

// Saves to `path`; the arrays are changed as soon as the saver lets training go on.
static tt_status save(side *s, tt_checkpoint_writer writer, const char *path, int times) {
  tt_saver *saver;
  tt_save_report report;
  tt_progress_state state = progress();
  bool ready;
  tt_status status = tt_saver_create(&saver, &s->ranks, &s->share, writer, folder);
  for (int k = 0; k < times && status == TT_OK; k++) {
    fill(s);
    state.skipped.count = k + 1 < times ? 1 : 3; // another one each time, as the list grows
    status = tt_saver_begin(saver, path, &state);
    scribble(s);
    if (status == TT_OK) assert_true(tt_saver_pending(saver));
    if (status == TT_OK) status = tt_saver_poll(saver, true, &ready);
    if (status == TT_OK) status = tt_saver_finish(saver, &report);
    assert_false(tt_saver_pending(saver));
  }
  if (status == TT_OK) {
    assert_int_equal(report.step, 77);
    assert_true(report.total >= report.waited && report.waited > 0 && report.write > 0);
  }
  tt_saver_free(saver);
  return status;
}

static void assert_same_file(const char *a, const char *b) {
  char *x, *y;
  size_t nx, ny;
  assert_int_equal(tt_file_read(a, &x, &nx), TT_OK);
  assert_int_equal(tt_file_read(b, &y, &ny), TT_OK);
  assert_int_equal(nx, ny);
  assert_memory_equal(x, y, nx);
  free(x), free(y);
}

static void every_writer_makes_the_same_file(void **state) {
  (void)state;
  char path[100];
  snprintf(path, sizeof path, "%s/written.h5", folder);
  for (int k = 0; k < LAYOUTS; k++) {
    side s = side_make(layouts[k]);
    side_share(&s);
    for (int w = 0; w < 2 && s.in; w++) {
      tt_checkpoint_writer writer = w ? TT_WRITER_COLLECTIVE : TT_WRITER_DIRECT;
      assert_int_equal(save(&s, writer, path, 1 + (k == 2)), TT_OK);
      if (s.ranks.rank == 0 && k == 0 && w == 0) assert_int_equal(rename(path, reference), 0);
      if (s.ranks.rank == 0 && (k || w)) assert_same_file(path, reference);
    }
    side_free(&s);
    MPI_Barrier(world.mpi);
  }
  if (world.rank == 0) assert_int_equal(tt_checkpoint_verify(reference, NULL, NULL, NULL), TT_OK);
}

static void every_layout_reads_it(void **state) {
  (void)state;
  for (int k = 0; k < LAYOUTS; k++) {
    side s = side_make(layouts[k]);
    side_share(&s);
    if (s.in) {
      tt_progress_state read;
      scribble(&s);
      assert_int_equal(tt_checkpoint_load(&s.ranks, reference, &s.share, &read), TT_OK);
      assert_values(&s);
      assert_true(read.step == 77 && read.samples == 1234 && read.flops_executed == 5e20);
      assert_true(read.means[0] == 0.5f && read.means[1] == 3 && read.means[2] == 0);
      if (s.ranks.rank == 0)
        assert_string_equal(read.config, progress().config);
      else
        assert_null(read.config);
      assert_int_equal(read.skipped.count, 3);
      assert_memory_equal(read.skipped.cuts, cuts, sizeof cuts);
      tt_progress_state_free(&read);
    }
    side_free(&s);
  }
}

static void weights_alone_are_read(void **state) {
  (void)state;
  side s = side_make(layouts[LAYOUTS - 2]);
  side_share(&s);
  tt_checkpoint_share weights = s.share;
  weights.moment1 = weights.moment2 = NULL;
  scribble(&s);
  assert_int_equal(tt_checkpoint_load(&s.ranks, reference, &weights, NULL), TT_OK);
  float untouched;
  memset(&untouched, 0x55, sizeof untouched);
  for (int64_t i = 0; i < s.shards.own; i++) assert_memory_equal(&s.share.moment1[i], &untouched, 4);
  for (int64_t at = 0; at < s.parameters.total; at += 1000) {
    tt_run_of_elements run = tt_parameters_run(&s.parameters, at, s.parameters.total);
    assert_true(is_value(s.share.weights[at], 0, run.index, run.element));
  }
  side_free(&s);
}

// All ranks say the same, whoever met the damage.
static void damage_is_everybodys(void **state) {
  (void)state;
  char path[100], *bytes = NULL;
  size_t n = 0;
  snprintf(path, sizeof path, "%s/broken.h5", folder);
  const char *const names[] = {"moment2/encoder.layers.2.ffn.linear_2.weight", "weights/lm_head.bias",
                               "moment1/movement_pred_head.force_proj1.weight"};
  if (world.rank == 0) assert_int_equal(tt_file_read(reference, &bytes, &n), TT_OK);
  for (int k = 0; k < LAYOUTS; k++) {
    side s = side_make(layouts[k]);
    side_share(&s);
    for (int d = 0; d < 4 && s.in; d++) {
      if (world.rank == 0) {
        tt_checkpoint_info info;
        assert_int_equal(tt_checkpoint_info_read(reference, &info), TT_OK);
        size_t cut = n;
        if (d < 3) {
          const char *name = strchr(names[d], '/') + 1;
          int i = (int)(tt_parameters_find(&info.parameters, name) - info.parameters.list);
          int section = names[d][0] == 'w' ? 0 : names[d][6] - '0';
          int64_t at = info.at[section * info.parameters.count + i] + 2 * info.parameters.list[i].count;
          bytes[at] ^= 4;
          assert_int_equal(tt_file_replace(path, bytes, n), TT_OK);
          bytes[at] ^= 4;
        } else
          cut = n - 5000;
        if (d == 3) assert_int_equal(tt_file_replace(path, bytes, cut), TT_OK);
        tt_checkpoint_info_free(&info);
      }
      MPI_Barrier(s.ranks.mpi);
      assert_int_equal(tt_checkpoint_load(&s.ranks, path, &s.share, NULL), TT_ERR_CORRUPT);
      assert_non_null(strstr(tt_error_message(), path));
      if (d < 3) assert_non_null(strstr(tt_error_message(), names[d]));
      MPI_Barrier(s.ranks.mpi);
    }
    side_free(&s);
  }
  free(bytes);
}

static int files(void) {
  int n = 0;
  DIR *d = opendir(folder);
  for (const struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

// A rank that must not write so large a file stands for one whose disk is full.
static void one_full_disk_ends_the_save_of_all(void **state) {
  (void)state;
  struct rlimit old;
  getrlimit(RLIMIT_FSIZE, &old);
  char path[100];
  snprintf(path, sizeof path, "%s/unwritten.h5", folder);
  MPI_Barrier(world.mpi);
  int before = files();
  for (int victim = 0; victim < ALL; victim++) {
    side s = side_make(layouts[2]);
    side_share(&s);
    struct rlimit small = {20000, old.rlim_max};
    if (world.rank == victim) setrlimit(RLIMIT_FSIZE, &small);
    tt_status status = save(&s, TT_WRITER_DIRECT, path, 1);
    if (world.rank == victim) setrlimit(RLIMIT_FSIZE, &old);
    char expected[20];
    snprintf(expected, sizeof expected, "rank %d: ", victim);
    assert_int_equal(status, TT_ERR_IO);
    assert_non_null(strstr(tt_error_message(), path));
    if (victim) assert_non_null(strstr(tt_error_message(), expected));
    MPI_Barrier(world.mpi);
    assert_int_equal(files(), before);
    side_free(&s);
  }
}

// A run that ends in the middle of a save leaves no file.
static void a_save_can_be_given_up(void **state) {
  (void)state;
  char path[100];
  snprintf(path, sizeof path, "%s/given_up.h5", folder);
  MPI_Barrier(world.mpi);
  int before = files();
  MPI_Barrier(world.mpi);
  side s = side_make(layouts[4]);
  side_share(&s);
  tt_saver *saver;
  tt_progress_state now = progress();
  assert_int_equal(tt_saver_create(&saver, &s.ranks, &s.share, TT_WRITER_DIRECT, folder), TT_OK);
  assert_int_equal(tt_saver_begin(saver, path, &now), TT_OK);
  tt_saver_free(saver);
  MPI_Barrier(world.mpi);
  assert_int_equal(files(), before);
  side_free(&s);
}

static void no_folder_is_an_error(void **state) {
  (void)state;
  side s = side_make(layouts[1]);
  side_share(&s);
  if (s.in) {
    assert_int_equal(save(&s, TT_WRITER_DIRECT, "no/such/folder/x.h5", 1), TT_ERR_IO);
    assert_int_equal(save(&s, TT_WRITER_COLLECTIVE, "no/such/folder/x.h5", 1), TT_ERR_IO);
    assert_int_equal(tt_checkpoint_load(&s.ranks, "no/such/folder/x.h5", &s.share, NULL), TT_ERR_IO);
  }
  side_free(&s);
}

// Makes a checkpoint for collective_full_disk_test.sh.
static int make(const char *path) {
  side s = side_make(layouts[2]);
  side_share(&s);
  tt_status status = save(&s, TT_WRITER_DIRECT, path, 1);
  side_free(&s);
  return status != TT_OK;
}

// Started by collective_full_disk_test.sh: the room ends while HDF5 writes, and with it the job.
static int fill_the_disk(const char *path) {
  side s = side_make(layouts[2]);
  side_share(&s);
  fill(&s);
  double seconds[2];
  tt_collective_write(&s.ranks, path, &s.share, &seconds[0], &seconds[1]);
  return 0;
}

int main(int argc, char **argv) {
  signal(SIGXFSZ, SIG_IGN);
  if (tt_comm_start(&world) != TT_OK || world.size != ALL) return fprintf(stderr, "needs %d ranks\n", ALL), 1;
  if (argc > 2) {
    int code = strcmp(argv[1], "make") == 0 ? make(argv[2]) : fill_the_disk(argv[2]);
    tt_comm_finish(&world);
    return code;
  }
  if (world.rank == 0) {
    snprintf(folder, sizeof folder, "checkpoint_layouts_test.XXXXXX");
    if (!mkdtemp(folder)) return 1;
  }
  tt_comm_broadcast(&world, folder, sizeof folder, 0);
  snprintf(reference, sizeof reference, "%s/reference.h5", folder);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_writer_makes_the_same_file),
      cmocka_unit_test(every_layout_reads_it),
      cmocka_unit_test(weights_alone_are_read),
      cmocka_unit_test(damage_is_everybodys),
      cmocka_unit_test(one_full_disk_ends_the_save_of_all),
      cmocka_unit_test(a_save_can_be_given_up),
      cmocka_unit_test(no_folder_is_an_error),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (failed) MPI_Abort(world.mpi, 1); // the others may be waiting
  MPI_Barrier(world.mpi);
  char removal[100];
  snprintf(removal, sizeof removal, "rm -r %s", folder);
  if (world.rank == 0) failed = system(removal);
  tt_comm_finish(&world);
  return failed;
}
