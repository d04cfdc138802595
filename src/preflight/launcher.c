#include "preflight/launcher.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  const char *rank, *size, *local_rank, *local_size;
} variables;

// In this order: mpirun under Slurm starts its daemons with srun, whose variables the ranks inherit. And
// SLURM_PROCID is set in a batch script as well, where there are no ranks: the number of tasks of a step is
// not.
static const variables known[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", ""},
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
};

enum { MOST = 1 << 24 }; // ranks of a job: what is beyond that is not believed

static int number(const char *name, int otherwise) {
  const char *text = getenv(name);
  char *end;
  long value = text ? strtol(text, &end, 10) : 0;
  return text && end != text && value >= 0 && value < MOST ? (int)value : otherwise;
}

static void make_key(tt_launcher *l) {
  const char *space = getenv("PMIX_NAMESPACE"), *job = getenv("SLURM_JOB_ID"),
             *step = getenv("SLURM_STEP_ID");
  if (l->size == 1)
    snprintf(l->key, sizeof l->key, "%s-%ld", l->node, (long)getpid());
  else if (getenv("OMPI_COMM_WORLD_SIZE") && space)
    snprintf(l->key, sizeof l->key, "%s-%d", space, number("SLURM_JOB_ID", 0));
  else // a job that is requeued has the same numbers
    snprintf(l->key, sizeof l->key, "%s.%s.%d", job ? job : "job", step ? step : "0",
             number("SLURM_RESTART_COUNT", 0));
  for (char *c = l->key; *c; c++)
    if (!isalnum((unsigned char)*c) && *c != '.') *c = '-';
}

void tt_launcher_read(tt_launcher *l) {
  *l = (tt_launcher){.size = 1, .local_size = 1};
  const char *name = getenv("SLURMD_NODENAME");
  if (name && *name)
    snprintf(l->node, sizeof l->node, "%s", name);
  else if (gethostname(l->node, sizeof l->node - 1) != 0)
    snprintf(l->node, sizeof l->node, "unknown");
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    int size = number(known[k].size, 0), rank = number(known[k].rank, -1);
    if (size < 1 || rank < 0 || rank >= size) continue;
    l->rank = rank, l->size = size;
    l->local_rank = number(known[k].local_rank, 0);
    l->local_size = number(known[k].local_size, 1);
    break;
  }
  if (l->local_size <= l->local_rank) l->local_size = l->local_rank + 1;
  make_key(l);
}

// Writes "prefixNNN" for the numbers that a list in brackets holds, "1-3,07": the index-th of them. Returns
// how many there are, at most index + 1; -1 when it is not such a list.
static int in_brackets(const char *prefix, int prefix_length, const char *list, int index, char *node,
                       size_t size) {
  int count = 0;
  while (*list != ']') {
    char *end;
    long low = strtol(list, &end, 10), high = low;
    int width = (int)(end - list); // "08-11": as wide as it is written
    if (width < 1 || width > 12 || low < 0) return -1;
    if (*end == '-') {
      const char *second = end + 1;
      high = strtol(second, &end, 10);
      if (end == second || high < low) return -1;
    }
    if (index - count <= high - low) {
      snprintf(node, size, "%.*s%0*ld", prefix_length, prefix, width, low + (index - count));
      return index + 1;
    }
    count += (int)(high - low + 1);
    if (*end != ',' && *end != ']') return -1;
    list = end + (*end == ',');
  }
  return count;
}

void tt_launcher_host_at(const char *list, int index, char *node, size_t size) {
  *node = 0;
  while (*list) {
    size_t plain = strcspn(list, ",[");
    if (list[plain] == '[') {
      const char *close = strchr(list + plain, ']');
      if (!close || (close[1] && close[1] != ',')) return; // brackets twice in a name: not read here
      int count = in_brackets(list, (int)plain, list + plain + 1, index, node, size);
      if (count < 0 || count > index) return;
      index -= count;
      list = close + 1;
    } else {
      if (index == 0) {
        snprintf(node, size, "%.*s", (int)plain, list);
        return;
      }
      index--;
      list += plain;
    }
    list += *list == ',';
  }
}

// "2(x3),1": two tasks on each of three nodes, then one.
static void node_by_tasks(const char *nodes, const char *tasks, int rank, char *node, size_t size) {
  for (int index = 0; *tasks;) {
    char *end;
    long each = strtol(tasks, &end, 10), times = 1;
    if (end == tasks || each < 1 || each > MOST) return;
    if (strncmp(end, "(x", 2) == 0) {
      times = strtol(end + 2, &end, 10);
      if (times < 1 || times > MOST) return;
      if (*end == ')') end++;
    }
    if (rank < each * times) {
      tt_launcher_host_at(nodes, index + (int)(rank / each), node, size);
      return;
    }
    rank -= (int)(each * times), index += (int)times;
    tasks = end + (*end == ',');
    if (*end && *end != ',') return;
  }
}

// "n1:2 n2:2"
static void node_by_slots(const char *list, int rank, char *node, size_t size) {
  while (*list) {
    list += strspn(list, " ");
    size_t length = strcspn(list, " "), name = strcspn(list, ": ");
    long slots = list[name] == ':' ? strtol(list + name + 1, NULL, 10) : 1;
    if (slots < 0 || slots > MOST) return;
    if (rank < slots && length) {
      snprintf(node, size, "%.*s", (int)name, list);
      return;
    }
    rank -= (int)slots;
    list += length;
  }
}

void tt_launcher_expected_node(int rank, char *node, size_t size) {
  const char *slots = getenv("TWOTRACK_NODES"), *nodes = getenv("SLURM_STEP_NODELIST"),
             *tasks = getenv("SLURM_STEP_TASKS_PER_NODE");
  *node = 0;
  if (slots)
    node_by_slots(slots, rank, node, size);
  else if (nodes && tasks && !getenv("OMPI_COMM_WORLD_SIZE")) // mpirun's daemons are a step, one on each node
    node_by_tasks(nodes, tasks, rank, node, size);
}
