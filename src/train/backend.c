#include "train/backend.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "device/cuda.h"

static bool use_cuda(const tt_config *config) {
  char why[256];
  tt_device device = config->train.device;
  return device == TT_DEVICE_CUDA || (device == TT_DEVICE_AUTO && tt_cuda_available(why, sizeof why));
}

// A row of LayerNorm's backward lies in the registers of one block (kernels/cuda/norm.cu).
static bool too_wide(const tt_model_config *m) {
  const char *key = m->embed_dim > TT_CUDA_WIDEST  ? "embed_dim"
                    : m->pair_dim > TT_CUDA_WIDEST ? "pair_dim"
                                                   : NULL;
  if (key)
    tt_fail(TT_ERR_CONFIG,
            "model.%s is more than %d, the widest that GPUs compute: train.device = \"cpu\" uses the "
            "processor",
            key, TT_CUDA_WIDEST);
  return key != NULL;
}

const tt_ops *tt_backend_choose(const tt_config *config) {
  char why[256];
  if (!use_cuda(config)) return tt_ops_cpu(config->train.precision);
  if (too_wide(&config->model)) return NULL;
  if (tt_cuda_available(why, sizeof why)) return tt_ops_cuda(config->train.precision);
  tt_fail(TT_ERR_UNSUPPORTED, "train.device = \"cuda\": %s; \"cpu\" uses the processor", why);
  return NULL;
}

// Collective. Whether a rank before this one has its device. Which ones a rank sees is its launcher's affair
// (one each, or all of a node's), so they are told apart by what they are, not by numbers.
static tt_status check_alone(const tt_comm *comm, const tt_ops *ops, const tt_config *config) {
  tt_cuda_device mine;
  unsigned char(*all)[sizeof mine.id];
  memset(&mine, 0, sizeof mine);
  bool device = ops->device && tt_cuda_describe(&mine);
  TT_TRY(tt_comm_agree(comm, tt_alloc(&all, (size_t)comm->size, sizeof *all, "the ranks' devices")));
  tt_status status = tt_comm_gather_all(comm, mine.id, all, 1, sizeof *all);
  for (int r = 0; r < comm->rank && status == TT_OK && device && !config->parallel.share_gpu; r++)
    if (memcmp(all[r], mine.id, sizeof mine.id) == 0)
      status = tt_fail(TT_ERR_UNSUPPORTED,
                       "rank %d has the same CUDA device (%s) as rank %d: start one rank a device, or set "
                       "parallel.share_gpu = true (slow: for tests)",
                       comm->rank, mine.name, r);
  free(all);
  return tt_comm_agree(comm, status);
}

tt_status tt_backend_start(const tt_comm *comm, const tt_config *config, const tt_ops **ops) {
  int place, ranks;
  tt_comm_node(comm, &place, &ranks); // collective: all ranks, whatever each will use
  *ops = tt_backend_choose(config);
  tt_status status = *ops != NULL ? TT_OK : TT_ERR_UNSUPPORTED;
  if (status == TT_OK && (*ops)->device) status = tt_cuda_start(place);
  TT_TRY(tt_comm_agree(comm, status));
  return check_alone(comm, *ops, config);
}

static tt_status check_link(const tt_config *config) {
  const tt_parallel_config *p = &config->parallel;
  if (p->exchange == TT_EXCHANGE_NCCL && p->share_gpu)
    return tt_fail(TT_ERR_CONFIG,
                   "parallel.exchange = \"nccl\" needs a GPU for every rank, and parallel.share_gpu = "
                   "true is for fewer: set it to false, or the exchange to \"mpi\"");
  if (p->reduction == TT_REDUCTION_NCCL && (p->exchange == TT_EXCHANGE_MPI || p->share_gpu))
    return tt_fail(TT_ERR_CONFIG, "parallel.reduction = \"nccl\" needs parallel.exchange = \"nccl\"");
  return TT_OK;
}

// Where it is asked for, in so many words or by a reduction of its own, a rank without NCCL is an error.
static tt_status choose_link(const tt_comm *world, const tt_parallel_config *p, tt_link_kind *kind) {
  *kind = TT_LINK_MPI;
  if (p->exchange == TT_EXCHANGE_MPI || p->share_gpu) return TT_OK;
  bool asked = p->exchange == TT_EXCHANGE_NCCL || p->reduction == TT_REDUCTION_NCCL;
  tt_status status = asked ? TT_OK : tt_comm_agree_quietly(world, tt_link_ready(TT_LINK_NCCL));
  if (status == TT_OK) *kind = TT_LINK_NCCL;
  return TT_OK;
}

tt_status tt_backend_link(const tt_config *config, const tt_ops *ops, tt_mesh *mesh,
                          tt_device_arrays *arrays) {
  tt_link_kind kind;
  if (!ops->device || mesh->world.size == 1) return TT_OK;
  TT_TRY(tt_comm_agree(&mesh->world, check_link(config)));
  TT_TRY(choose_link(&mesh->world, &config->parallel, &kind));
  *arrays = (tt_device_arrays){.allocate = ops->allocate,
                               .release = ops->release,
                               .upload = ops->upload,
                               .download = ops->download,
                               .queues = tt_cuda_queues()};
  return tt_mesh_link(mesh, arrays, kind, config->parallel.reduction == TT_REDUCTION_NCCL);
}

tt_status tt_backend_alloc(const tt_ops *ops, void *pointer, size_t count, size_t size, const char *what) {
  size_t bytes;
  void *p = NULL;
  if (!__builtin_mul_overflow(count, size, &bytes)) p = ops->allocate(bytes);
  memcpy(pointer, &p, sizeof p);
  if (p) return TT_OK;
  return tt_fail(TT_ERR_MEMORY,
                 "out of memory%s: %s needs %zu x %zu bytes; use more ranks, fewer leaves a rank "
                 "(train.micro_batches), a smaller model or more memory",
                 ops->device ? " on the device" : "", what, count, size);
}
