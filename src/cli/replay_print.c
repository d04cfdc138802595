#include "cli/replay_print.h"

#include <math.h>
#include <stdio.h>

static void print_number(const tt_logged_update *logged, const char *name, double here, double there) {
  printf("  %-14s %-24.17g", name, here);
  if (logged->there) printf(" %-24.17g", there);
  printf("\n");
}

static void print_losses(const tt_replay *r, const tt_replay_request *q) {
  const tt_logged_update *logged = tt_replay_log_at(&r->log, q->step);
  const tt_losses *l = &r->update.losses, *old = &logged->update.losses;
  printf("\n  %-14s %-24s %s\n", "", "here", logged->there ? "in the log" : "");
  print_number(logged, "loss", l->loss, old->loss);
  print_number(logged, "loss_token", l->token, old->token);
  print_number(logged, "loss_position", l->position, old->position);
  print_number(logged, "loss_distance", l->distance, old->distance);
  print_number(logged, "grad_norm", r->update.gradient_norm, logged->update.gradient_norm);
  if (!logged->there)
    printf("the log has no record of this update, with this batch\n");
  else if (tt_replay_log_same(&logged->update, &r->update))
    printf("the same bits as in the log\n");
  else
    printf("NOT the bits of the log, which were computed by %d rank%s with '%s'%s\n", r->log.ranks,
           r->log.ranks == 1 ? "" : "s", r->log.backend,
           q->tensor ? "; another --tensor rounds differently" : "");
}

static void print_activation(const tt_activation_size *a) {
  if (a)
    printf("  %9.3g %9.3g %6.0f", tt_magnitude_rms(&a->size), a->size.largest, a->size.not_finite);
  else
    printf("  %9s %9s %6s", "", "", "");
}

static void print_rows(const tt_replay *r, const tt_replay_row *rows) {
  printf("\n%-14s  %26s  %26s  %9s %9s %6s %9s %9s\n", "", "atom track", "pair track", "weights", "gradient",
         "", "update", "update /");
  printf("%-14s  %9s %9s %6s  %9s %9s %6s  %9s %9s %6s %9s %9s\n", "", "rms", "largest", "not f.", "rms",
         "largest", "not f.", "norm", "norm", "not f.", "norm", "weights");
  for (int k = 0; k < r->layers + 3; k++) {
    const tt_replay_row *row = &rows[k];
    double weights = tt_magnitude_norm(&row->weight), update = tt_magnitude_norm(&row->update);
    printf("%-14s", row->name);
    print_activation(row->x);
    print_activation(row->pair);
    printf("  %9.3g %9.3g %6.0f %9.3g %9.2g\n", weights, tt_magnitude_norm(&row->gradient),
           row->gradient.not_finite, update, weights > 0 ? update / weights : 0);
  }
}

static void print_worst(const tt_replay *r) {
  printf("\n%12s %6s %6s %7s %11s %11s %11s %11s %7s\n", "record", "epoch", "atoms", "masked", "token",
         "position", "distance", "share", "");
  for (int k = 0; k < r->worst_count; k++) {
    const tt_worst *w = &r->worst[k];
    printf("%12llu %6llu %6d %7d %11.4g %11.4g %11.4g %11.4g %6.1f%%\n", (unsigned long long)w->record,
           (unsigned long long)w->epoch, w->atoms, w->masked, w->token, w->position, w->distance, w->share,
           100 * w->share / r->update.losses.loss);
  }
}

void tt_replay_print(const tt_replay *r, const tt_replay_request *q, const tt_replay_row *rows) {
  printf("update     %lld of %s, from %s, on %d rank%s (%s)\n", (long long)q->step, q->run,
         r->from ? r->checkpoint : "the initial weights", r->ranks, r->ranks == 1 ? "" : "s", r->backend);
  printf("batch      %lld, of %d molecules\n", (long long)r->batch, r->molecules);
  if (r->log.tried >= 0 && r->log.tried != r->batch)
    printf("           it was tried with batch %lld first; --batch %lld looks into that\n",
           (long long)r->log.tried, (long long)r->log.tried);
  if (r->same + r->other > 0)
    printf("before it  %lld of %lld updates have the bits of the log\n", (long long)r->same,
           (long long)(r->same + r->other));
  char broken[200];
  tt_replay_first_broken(r, broken, sizeof broken);
  if (!r->finite)
    printf("the update was not applied: its loss or gradient norm is not finite, or too large\n");
  if (*broken) printf("not finite first: %s\n", broken);
  print_losses(r, q);
  print_rows(r, rows);
  print_worst(r);
}
