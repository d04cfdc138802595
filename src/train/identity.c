#include "train/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/version.h"
#include "train/backend.h"

// One line a thing: "version = ...". The kernels' name depends on the configuration, so it comes after it.
static tt_status describe(const char *request, const tt_config *config, char **text) {
  char *keys = NULL;
  const tt_ops *ops = NULL;
  if (config) {
    tt_config shared = *config;
    shared.data.store = "";
    ops = tt_backend_choose(config);
    if (!ops) return TT_ERR_UNSUPPORTED;
    TT_TRY(tt_config_print(&shared, &keys));
  }
  int length = asprintf(text, "version = %s\n%s%skernels = %s\n", tt_version(), request, keys ? keys : "",
                        ops ? ops->name : "");
  free(keys);
  if (length >= 0) return TT_OK;
  *text = NULL;
  return tt_fail(TT_ERR_MEMORY, "out of memory for the configuration");
}

static tt_status differs(const char *own, const char *first) {
  const char *value = strstr(own, " = "), *first_value = strstr(first, " = ");
  bool both = value && first_value;
  if (both && strncmp(own, "version", 7) == 0)
    return tt_fail(
        TT_ERR_CONFIG,
        "this rank runs version %s of the program, rank 0 version %s: start the same one on all nodes",
        value + 3, first_value + 3);
  if (both && strncmp(own, "kernels", 7) == 0)
    return tt_fail(
        TT_ERR_CONFIG,
        "this rank computes with '%s', rank 0 with '%s', so the curve would depend on who computes what; set "
        "train.device to what every node has, and TWOTRACK_CPU on all ranks (v3 or base)",
        value + 3, first_value + 3);
  return tt_fail(
      TT_ERR_CONFIG,
      "this rank was started with '%s', rank 0 with '%s': give all ranks the same configuration and options",
      own, first);
}

// The first line that differs, as "group.key = value".
static tt_status compare(const char *own, const char *first) {
  size_t at = 0;
  if (strcmp(own, first) == 0) return TT_OK;
  while (own[at] == first[at]) at++;
  while (at && own[at - 1] != '\n') at--;
  char line[300], first_line[300];
  tt_config_line(own, at, line, sizeof line);
  tt_config_line(first, at, first_line, sizeof first_line);
  return differs(line, first_line);
}

tt_status tt_identity_check(const tt_comm *comm, tt_status status, const char *request,
                            const tt_config *config) {
  char *own = NULL, *first = NULL;
  uint64_t bytes = 0;
  if (status == TT_OK) status = describe(request, config, &own);
  status = tt_comm_agree(comm, status);
  // the length by itself: programs of different versions may be here
  if (status == TT_OK) bytes = strlen(own) + 1;
  if (status == TT_OK) status = tt_comm_broadcast(comm, &bytes, sizeof bytes, 0);
  if (status == TT_OK) status = tt_comm_agree(comm, tt_alloc(&first, bytes, 1, "the configuration"));
  if (status == TT_OK && comm->rank == 0) memcpy(first, own, bytes);
  if (status == TT_OK) status = tt_comm_broadcast(comm, first, bytes, 0);
  if (status == TT_OK) status = tt_comm_agree(comm, compare(own, first));
  free(own), free(first);
  return status;
}

tt_status tt_identity_check_arguments(const tt_comm *comm, int argc, char **argv) {
  char *request = NULL;
  size_t bytes;
  FILE *f = open_memstream(&request, &bytes);
  for (int k = 0; f && k < argc; k++) fprintf(f, "argument %d = %s\n", k, argv[k]);
  tt_status status = f && fclose(f) == 0 ? TT_OK : tt_fail(TT_ERR_MEMORY, "out of memory");
  status = tt_identity_check(comm, status, request, NULL);
  free(request);
  return status;
}
