// The mesh of ranks: data x tensor. World rank = data place * tensor ranks + tensor place, so that the ranks
// of a tensor group, which exchange most, are neighbours.
#ifndef TT_COMM_MESH_H
#define TT_COMM_MESH_H

#include "comm/comm.h"

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
void tt_mesh_free(tt_mesh *mesh);

#endif
