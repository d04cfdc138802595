#include "preflight/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/status.h"
#include "core/version.h"
#include "device/ops.h"

// The value of the first line "NAME...: value" of a file of the kernel; false when there is none.
static bool line_of(const char *path, const char *name, char *value, size_t size) {
  FILE *f = fopen(path, "r");
  char line[512];
  bool found = false;
  while (f && !found && fgets(line, sizeof line, f)) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, name, strlen(name)) != 0 || !colon) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(value, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
    found = true;
  }
  if (f) fclose(f);
  return found;
}

static bool number_in(const char *path, int64_t *value) {
  FILE *f = fopen(path, "r");
  long long n;
  bool found = f && fscanf(f, "%lld", &n) == 1;
  if (f) fclose(f);
  if (found) *value = n;
  return found;
}

// What the job's control group leaves: its limit less what it holds. "max" is no number, and no limit.
static void lower_to_group(int64_t *memory) {
  FILE *f = fopen("/proc/self/cgroup", "r");
  char line[600];
  while (f && fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = 0;
    char *path = strrchr(line, ':');
    if (!path) continue;
    bool old = strstr(line, ":memory:") != NULL;
    if (!old && strncmp(line, "0::", 3) != 0) continue;
    char limit[700], used[700];
    snprintf(limit, sizeof limit, "/sys/fs/cgroup%s%s/%s", old ? "/memory" : "", path + 1,
             old ? "memory.limit_in_bytes" : "memory.max");
    snprintf(used, sizeof used, "/sys/fs/cgroup%s%s/%s", old ? "/memory" : "", path + 1,
             old ? "memory.usage_in_bytes" : "memory.current");
    int64_t most, now;
    if (number_in(limit, &most) && number_in(used, &now) && most - now < *memory && most > now)
      *memory = most - now;
  }
  if (f) fclose(f);
}

static void look_at_cpus(tt_report *r) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) {
    r->cpu_count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return;
  }
  r->cpu_count = CPU_COUNT(&set);
  for (int c = 0; c < TT_PREFLIGHT_CPUS && c < CPU_SETSIZE; c++)
    if (CPU_ISSET(c, &set)) r->cpus[c / 64] |= (uint64_t)1 << c % 64;
}

void tt_machine_look(tt_report *r) {
  char text[64];
  look_at_cpus(r);
  if (!line_of("/proc/cpuinfo", "model name", r->cpu, sizeof r->cpu))
    snprintf(r->cpu, sizeof r->cpu, "unknown");
  if (line_of("/proc/meminfo", "MemAvailable", text, sizeof text)) r->memory = atoll(text) * 1024;
  lower_to_group(&r->memory);
  snprintf(r->version, sizeof r->version, "%s", tt_version());
  const tt_ops *ops = tt_ops_cpu(TT_FP32);
  if (ops)
    snprintf(r->kernels, sizeof r->kernels, "%s", ops->name);
  else
    tt_report_problem(r, "%s", tt_error_message());
}
