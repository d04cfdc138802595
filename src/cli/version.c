// twotrack --version: the commit, and the libraries that this build uses.
#include <stdio.h>

#include "chem/rdkit.h"
#include "cli/cli.h"
#include "cli/libraries.h"
#include "core/version.h"
#include "train/hardware.h"

int tt_cli_version(void) {
  const char *const names[] = {"compiler", "mpi", "hdf5", "openblas"};
  json_t *hardware = tt_hardware_json();
  printf("twotrack %s\n", tt_version());
  for (size_t k = 0; hardware && k < sizeof names / sizeof *names; k++)
    printf("  %-17s %s\n", names[k], json_string_value(json_object_get(hardware, names[k])));
  printf("  %-17s %s\n", "rdkit",
         tt_chem_toolkit() ? tt_chem_toolkit() : "not in this build (no 'store build')");
  printf("  %-17s %s\n", "jansson", JANSSON_VERSION);
  printf("  %-17s %s\n", "cminpack", TT_CMINPACK_VERSION);
  json_decref(hardware);
  return 0;
}
