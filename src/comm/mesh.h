// The mesh of ranks: data x tensor. World rank = data place * tensor ranks + tensor place, so that the ranks
// of a tensor group, which exchange most, are neighbours.
#ifndef TT_COMM_MESH_H
#define TT_COMM_MESH_H

#include "comm/link.h"

typedef struct {
  tt_comm world;
  tt_comm tensor; // the ranks of the own group, which share leaves; rank: tensor place
  tt_comm data;   // the ranks with the own tensor place, which hold the same share of the split parameters;
                  // rank: data place
  tt_comm whole;  // all ranks, tensor place first: rank = tensor place * data ranks + data place. A binary
                  // tree over them sums the data ranks before the tensor places, so that what it gives does
                  // not depend on the number of data ranks
} tt_mesh;

// Collective. TT_ERR_CONFIG unless both the ranks and `tensor` are powers of two and tensor <= ranks. With
// tensor == 1 the data and the whole mesh are the world, and a tensor group is one rank.
tt_status tt_mesh_make(tt_mesh *mesh, const tt_comm *world, int tensor);
// Collective: how arrays of a device go within each of them (comm/link.h), for as long as the mesh is there;
// neither it nor *arrays may move. TT_ERR_UNSUPPORTED, which has been reported, where NCCL cannot be loaded.
tt_status tt_mesh_link(tt_mesh *mesh, const tt_device_arrays *arrays, tt_link_kind kind, bool library_sums);
void tt_mesh_free(tt_mesh *mesh);

#endif
