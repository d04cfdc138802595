// twotrack --version: the commit, and the libraries that this build uses.
#include <stdio.h>

#include "chem/rdkit.h"
#include "cli/cli.h"
#include "cli/libraries.h"
#include "core/version.h"
#include "device/cuda.h"
#include "train/hardware.h"

int tt_cli_version(void) {
  const char *const names[] = {"compiler", "mpi", "hdf5", "openblas"};
  json_t *hardware = tt_hardware_json();
  printf("twotrack %s\n", tt_version());
  for (size_t k = 0; hardware && k < sizeof names / sizeof *names; k++)
    printf("  %-17s %s\n", names[k], json_string_value(json_object_get(hardware, names[k])));
  char why[256];
  bool built = tt_ops_cuda(TT_FP32) != NULL, device = tt_cuda_available(why, sizeof why);
  printf("  %-17s %s%s\n", "cuda", built ? "in this build" : "not in this build",
         built && device ? ", and there is a device" : "");
  if (built && !device) printf("  %-17s %s\n", "", why);
  printf("  %-17s %s\n", "rdkit",
         tt_chem_toolkit() ? tt_chem_toolkit() : "not in this build (no 'store build')");
  printf("  %-17s %s\n", "jansson", JANSSON_VERSION);
  printf("  %-17s %s\n", "cminpack", TT_CMINPACK_VERSION);
  json_decref(hardware);
  return 0;
}
