#include "preflight/gpus.h"

#include <dlfcn.h>
#include <stdio.h>

// The driver's own library rather than files under /proc: it sees what the job may use (CUDA_VISIBLE_DEVICES,
// the devices that Slurm allows), and it fails where the driver is broken. Its calls as in NVIDIA's
// documentation of the driver interface; 0 is success, 100 "no device".
typedef struct {
  int (*init)(unsigned flags);
  int (*count)(int *count);
  int (*name)(char *name, int size, int device);
  int (*address)(char *address, int size, int device);
} driver;

enum { NO_DEVICE = 100 };

// A data pointer into a function pointer, which C does not allow by a cast.
static void *find(void *library, const char *name) {
  return dlsym(library, name);
}

static bool load(driver *d) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return false; // stays loaded: the driver may have threads of its own
  *(void **)&d->init = find(library, "cuInit");
  *(void **)&d->count = find(library, "cuDeviceGetCount");
  *(void **)&d->name = find(library, "cuDeviceGetName");
  *(void **)&d->address = find(library, "cuDeviceGetPCIBusId");
  return d->init && d->count && d->name && d->address;
}

void tt_gpus_look(tt_report *r, bool wanted) {
  driver d;
  r->gpus = -1;
  if (!load(&d)) return;
  r->gpus = 0;
  int code = d.init(0);
  if (code == 0) code = d.count(&r->gpus);
  if (code != 0) {
    r->gpus = 0;
    const char *what = "NVIDIA's driver does not work (cuInit: error %d); nvidia-smi may say more";
    if (code != NO_DEVICE && wanted) tt_report_problem(r, what, code);
    if (code != NO_DEVICE && !wanted) tt_report_note(r, what, code);
    return;
  }
  for (int k = 0; k < r->gpus && k < TT_PREFLIGHT_GPUS; k++)
    if (d.address(r->gpu[k], sizeof r->gpu[k], k) != 0) snprintf(r->gpu[k], sizeof r->gpu[k], "number %d", k);
  if (r->gpus > 0 && d.name(r->gpu_name, sizeof r->gpu_name, 0) != 0) r->gpu_name[0] = 0;
}
