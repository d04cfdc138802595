#include "comm/mesh.h"

#include <stdbool.h>

#include "comm/part.h"

static bool is_power_of_two(int n) {
  return n > 0 && (n & (n - 1)) == 0;
}

tt_status tt_mesh_make(tt_mesh *mesh, const tt_comm *world, int tensor) {
  *mesh = (tt_mesh){.world = *world,
                    .tensor = {MPI_COMM_NULL, 0, 1, NULL, NULL},
                    .data = {MPI_COMM_NULL, 0, 1, NULL, NULL},
                    .whole = {MPI_COMM_NULL, 0, 1, NULL, NULL}};
  if (!is_power_of_two(world->size))
    return tt_fail(TT_ERR_CONFIG, "%d ranks are no power of two; start 1, 2, 4, 8 ... ranks", world->size);
  if (!is_power_of_two(tensor) || tensor > world->size)
    return tt_fail(TT_ERR_CONFIG,
                   "parallel.tensor = %d does not divide %d ranks: start a multiple of it, or set a power of "
                   "two up to %d",
                   tensor, world->size, world->size);
  int data = world->size / tensor, group = world->rank / tensor, place = world->rank % tensor;
  tt_comm_split(world, group, place, &mesh->tensor);
  tt_comm_split(world, place, group, &mesh->data);
  tt_comm_split(world, 0, place * data + group, &mesh->whole);
  return TT_OK;
}

tt_status tt_mesh_link(tt_mesh *mesh, const tt_device_arrays *arrays, tt_link_kind kind, bool library_sums) {
  TT_TRY(tt_comm_agree(&mesh->world, tt_link_ready(kind)));
  tt_link_make(&mesh->tensor, arrays, kind, library_sums);
  tt_link_make(&mesh->whole, arrays, kind, library_sums);
  if (mesh->tensor.size > 1)
    tt_link_make(&mesh->data, arrays, kind, library_sums);
  else
    mesh->data.link = mesh->whole.link; // the same ranks, at the same places
  return TT_OK;
}

void tt_mesh_free(tt_mesh *mesh) {
  if (mesh->data.link != mesh->whole.link) tt_link_free(mesh->data.link);
  tt_link_free(mesh->whole.link);
  tt_link_free(mesh->tensor.link);
  tt_comm *own[] = {&mesh->tensor, &mesh->data, &mesh->whole};
  for (int k = 0; k < 3; k++)
    if (own[k]->size && own[k]->mpi != MPI_COMM_NULL) MPI_Comm_free(&own[k]->mpi);
  *mesh = (tt_mesh){0};
}
