#!/usr/bin/env bash
# One run with 1, 2, 4 (and, in the long form, 8) ranks gives bitwise the same losses, norms, validation and checkpoints:
# dropout on, 8 leaves, leaves that run in pieces. The short form has fewer layouts under the second scaling length.
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 200 12 || exit 1
run() { local n=$1 out=$2; shift 2; train "$n" "$out" --set train.max_pairs=200 --set model.activation_dropout=0.1 "$@"; } # two pieces a leaf, or three
declare -A counts=([molecule]="1 2 4" [batch]="1 4") layouts=([molecule]="2x1 2x2 4x1" [batch]="2x1 2x2")
[ -n "${TT_TEST_LONG:-}" ] && counts=([molecule]="1 2 4 8" [batch]="1 2 4 8") layouts[batch]="2x1 2x2 4x1"
for scaling in molecule batch; do
  for n in ${counts[$scaling]}; do
    run "$n" "$work/$scaling-$n" --set model.scaling_length=$scaling > "$work/log" 2>&1 ||
      fail "$n ranks: $(tail -3 "$work/log")"
    same_curve "$work/$scaling-1" "$work/$scaling-$n"
  done
done
# several buckets of gradients, which travel while the layers before them are still computed; one leaf and several a rank
wide=(--set model.embed_dim=512 --set model.ffn_dim=2048 --set model.layers=3 --set train.steps=2 --set train.micro_batches=4
  --set train.batch_size=8 --set validation.molecules=8 --set validation.every=2 --set train.checkpoint_every=2 --set optimizer.warmup_steps=1)
for n in 1 4 $([ -n "${TT_TEST_LONG:-}" ] && echo 2); do
  run "$n" "$work/wide-$n" "${wide[@]}" > "$work/log" 2>&1 || fail "$n ranks, wide: $(tail -3 "$work/log")"
  same_curve "$work/wide-1" "$work/wide-$n" 3
done
for n in 2 4; do # those of the split parameters too
  run "$n" "$work/wide-$n-split" "${wide[@]}" --set parallel.tensor=2 > "$work/log" 2>&1 || fail "$n ranks, wide, split: $(tail -3 "$work/log")"
done
diff <(curve "$work/wide-2-split") <(curve "$work/wide-4-split") > "$work/diff" || fail "wide, split: $(head -c 600 "$work/diff")"
rm -r "$work"/wide-*
# what the backward computes again has the same bits
run 2 "$work/recompute" --set train.recompute=pair > "$work/log" 2>&1 || fail "recompute: $(tail -3 "$work/log")"
same_curve "$work/molecule-1" "$work/recompute"
near() { # the logged numbers of A and B agree to 2e-6
  paste -d' ' <(numbers "$1") <(numbers "$2") | awk '{ d = $1 - $2; if (d * d > 4e-12 * $1 * $1) exit 1; n++ } END { if (n < 20) exit 1 }'
}
numbers() { curve "$1" | grep -oE '"(loss[a-z_]*|grad_norm)":[-+0-9.eE]*' | cut -d: -f2; }
# ranks that share leaves change the curve by rounding, whatever the data ranks beside them not at all; the last validation batch
# has leaves with fewer molecules than ranks
for scaling in molecule batch; do
  for layout in ${layouts[$scaling]}; do
    run $((${layout%x*} * ${layout#*x})) "$work/$scaling-$layout" --set model.scaling_length=$scaling --set parallel.tensor=${layout%x*} \
      > "$work/log" 2>&1 || fail "$layout: $(tail -3 "$work/log")"
    near "$work/$scaling-1" "$work/$scaling-$layout" || fail "$scaling, $layout: another curve"
  done
  same_curve "$work/$scaling-2x1" "$work/$scaling-2x2"
  for layout in ${layouts[$scaling]}; do
    cmp -s <(curve "$work/$scaling-1") <(curve "$work/$scaling-$layout") && fail "$scaling: tensor groups change no bit"
  done
done
# leaves and pieces are matters of rounding only (under "batch" too: the length is the global batch's), but they are there
for scaling in molecule batch; do
  for way in pieces leaves; do
    options=(--set train.steps=3 --set validation.every=3 --set optimizer.warmup_steps=1 --set model.scaling_length=$scaling)
    run 1 "$work/$scaling-$way-1" "${options[@]}" > /dev/null 2>&1 || fail "$scaling, $way"
    [ $way = pieces ] && options+=(--set train.max_pairs=100000) || options+=(--set train.micro_batches=2)
    run 1 "$work/$scaling-$way-2" "${options[@]}" > /dev/null 2>&1 || fail "$scaling, other $way"
    near "$work/$scaling-$way-1" "$work/$scaling-$way-2" || fail "$scaling: the curve depends on the $way"
    cmp -s <(curve "$work/$scaling-$way-1") <(curve "$work/$scaling-$way-2") && fail "$scaling: the $way change no bit"
  done
done
# the curve does depend on what it should depend on
cmp -s <(curve "$work/molecule-1") <(curve "$work/batch-1") && fail "the scaling length changes nothing"
run 2 "$work/seed" --set train.seed=2 > /dev/null 2>&1 || fail "another seed"
cmp -s <(curve "$work/molecule-1") <(curve "$work/seed") && fail "the seed changes nothing"
finish
