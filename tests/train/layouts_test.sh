#!/usr/bin/env bash
# One run with 1, 2, 4 (and, in the long form, 8) ranks gives bitwise the same losses, norms, validation and checkpoints:
# dropout on, 8 leaves, leaves that run in pieces.
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 200 || exit 1
counts="1 2 4"
[ -n "${TT_TEST_LONG:-}" ] && counts="1 2 4 8"
for scaling in molecule batch; do
  for n in $counts; do
    train "$n" "$work/$scaling-$n" --set model.scaling_length=$scaling > "$work/log" 2>&1 ||
      fail "$n ranks: $(tail -3 "$work/log")"
    same_curve "$work/$scaling-1" "$work/$scaling-$n"
  done
done
# the curve does depend on what it should depend on
cmp -s <(curve "$work/molecule-1") <(curve "$work/batch-1") && fail "the scaling length changes nothing"
train 2 "$work/seed" --set train.seed=2 > /dev/null 2>&1 || fail "another seed"
cmp -s <(curve "$work/molecule-1") <(curve "$work/seed") && fail "the seed changes nothing"
finish
