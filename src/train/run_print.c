// What a run prints: its plan, its progress, its end.
#include <math.h>
#include <stdio.h>

#include "core/progress.h"
#include "device/cuda.h"
#include "model/flops.h"
#include "train/run_state.h"

void tt_run_print_progress(const tt_run_state *r, const tt_update *u, double rate, double waiting) {
  int64_t left = r->config->train.steps - r->trainer.state.step;
  tt_progress_show(
      &(tt_progress){.what = "training",
                     .counter = "step",
                     .unit = "molecules",
                     .done = r->trainer.state.step,
                     .total = r->config->train.steps,
                     .rate = rate,
                     .waiting = waiting,
                     .seconds_left = rate > 0 ? (double)left * r->config->train.batch_size / rate : NAN,
                     .loss = u->losses.loss,
                     .token = u->losses.token,
                     .position = u->losses.position,
                     .distance = u->losses.distance});
}

void tt_run_print_plan(const tt_run_state *r) {
  const tt_config *c = r->config;
  const tt_model_config *m = &c->model;
  double atoms = 0, records = 0;
  for (uint32_t s = 0; s < tt_store_shards(r->store); s++) {
    const tt_shard_entry *e = tt_store_shard(r->store, s);
    if (e->split == TT_TRAIN) atoms += (double)e->atoms, records += (double)e->records;
  }
  int mean = records > 0 ? (int)lround(atoms / records) : 0;
  double flops = 3 * tt_flops_executed(m, mean, c->data.mask_probability * mean) * c->train.batch_size;
  printf("model      %s: %d layers, atom track %d wide (%d heads), pair track %d wide (hidden %d); %lld "
         "parameters\n",
         *m->preset ? m->preset : "own dimensions", m->layers, m->embed_dim, m->heads, m->pair_dim,
         m->pair_hidden, (long long)r->trainer.parameters->whole);
  printf("data       %s: %llu training and %llu validation molecules, %.1f atoms on average\n",
         tt_store_folder(r->store), (unsigned long long)tt_store_records(r->store, TT_TRAIN),
         (unsigned long long)tt_store_records(r->store, TT_VALID), records > 0 ? atoms / records : 0);
  char layout[64] = "";
  if (c->parallel.tensor > 1)
    snprintf(layout, sizeof layout, " (%d data x %d tensor)", r->trainer.mesh.data.size, c->parallel.tensor);
  printf(
      "run        %lld updates of %d molecules (%.2f epochs) in %d leaves on %d rank%s%s; about %.3g GFLOP "
      "an update\n",
      (long long)c->train.steps, c->train.batch_size,
      records > 0 ? (double)c->train.steps * c->train.batch_size / records : 0, c->train.micro_batches,
      r->comm->size, r->comm->size > 1 ? "s" : "", layout, flops * 1e-9);
  printf("memory     %.0f MB a rank for weights, moments, the gradient tree and its exchange; activations "
         "come on top (train.max_pairs = "
         "%lld bounds them)\n",
         1e-6 * tt_trainer_bytes(&r->trainer), (long long)c->train.max_pairs);
  fflush(stdout);
}

static void print_row(const char *name, double loss, double se, double baseline, const char *meaning) {
  printf("  %-9s %8.4f +- %.4f   baseline %8.4f (%s): %.3f x\n", name, loss, se, baseline, meaning,
         baseline > 0 ? loss / baseline : NAN);
}

void tt_run_print_summary(const tt_run_state *r) {
  const tt_losses *l = &r->last, *b = &r->baseline;
  tt_progress_clear();
  printf("validation after %lld updates, %lld molecules (%lld masked atoms), masks and noise fixed:\n",
         (long long)r->trainer.state.step, (long long)l->molecules, (long long)l->masked);
  print_row("token", l->token, l->token_se, b->token, "entropy of the elements");
  print_row("position", l->position, l->position_se, b->position, "nothing moved");
  print_row("distance", l->distance, l->distance_se, b->distance, "nothing moved");
  printf("  %-9s %8.4f +- %.4f\n", "total", l->loss, l->loss_se);
  tt_cuda_memory device;
  if (tt_cuda_memory_use(&device))
    printf("memory of the GPU: at most %.0f MB allocated at once; %.0f in use on it, with libraries\n",
           1e-6 * (double)device.peak, 1e-6 * (double)device.used);
  printf(
      "the run is in %s: run.jsonl, config.cfg, checkpoints/; 'twotrack plot %s --out loss.png' draws it\n",
      r->request->folder, r->request->folder);
  fflush(stdout);
}
