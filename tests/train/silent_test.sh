#!/usr/bin/env bash
# train.silent_check_every: a machine that computes something else now and then is found out before any weight changes, the place
# is named, and the job ends with the machine's code; what is looked at changes nothing.
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 100 12 || exit 1
settings=(--set model.layers=2 --set train.steps=8 --set validation.molecules=8 --set train.max_pairs=100000)
all() { local n=$1 out=$2; shift 2; train "$n" "$out" "${settings[@]}" "$@"; }

# ---- the same curve with and without: several leaves a rank, one leaf a rank, leaves in pieces, tensor groups ----
all 1 "$work/whole" > "$work/log" 2>&1 || { fail "the undisturbed run: $(tail -3 "$work/log")"; finish; }
for n in 1 2; do
  all "$n" "$work/every-$n" --set train.silent_check_every=1 > "$work/log" 2>&1 || fail "looked at on $n: $(tail -3 "$work/log")"
  same_curve "$work/whole" "$work/every-$n" 8
done
few=(--set train.micro_batches=2 --set train.max_pairs=600) # a leaf a rank, in several pieces
all 2 "$work/few" "${few[@]}" > "$work/log" 2>&1 || fail "one leaf a rank: $(tail -3 "$work/log")"
all 2 "$work/few-every" "${few[@]}" --set train.silent_check_every=2 > "$work/log" 2>&1 || fail "one leaf a rank, looked at: $(tail -3 "$work/log")"
same_curve "$work/few" "$work/few-every" 8
tensor=(--set parallel.tensor=2)
all 2 "$work/tensor" "${tensor[@]}" > "$work/log" 2>&1 || fail "tensor group: $(tail -3 "$work/log")"
all 2 "$work/tensor-every" "${tensor[@]}" --set train.silent_check_every=1 > "$work/log" 2>&1 || fail "tensor group, looked at: $(tail -3 "$work/log")"
same_curve "$work/tensor" "$work/tensor-every" 8

# ---- faults (inject_compute.c) ----
# faulty RANKS FAULT OUT [OPTIONS...]
faulty() {
  local n=$1 fault=$2 out=$3 launcher=(); shift 3
  [ "$n" = 1 ] || launcher=("$mpirun" -q --oversubscribe -n "$n")
  TT_TEST_FAULT=$fault timeout -k 5 "${TT_TEST_PATIENCE:-120}" "${launcher[@]}" "$(dirname "$make_store")/inject_compute" train "$here/small.cfg" \
    --store "$work/store" --out "$out" "${settings[@]}" "$@" > "$work/stdout" 2> "$work/stderr"
}

# found RANKS "KIND RANK STEP RUN" PLACE: noticed at STEP with that place, nothing applied; without the fault the run goes on
found() {
  local out="$work/found" rank step code; rm -rf "$out"
  read -r _ rank step _ <<< "$2"
  faulty "$1" "$2" "$out" --set train.silent_check_every=3 "${@:4}"
  code=$?
  local who=""; [ "$rank" = 0 ] || who="rank $rank: "
  [ "$code" = 71 ] || fail "$2 on $1: exit code $code"
  [ "$(grep -c 'twotrack: error' "$work/stderr")" = 1 ] && grep -q "twotrack: error: ${who}update $step: leaf $((rank * 8 / $1)) was computed twice on $(hostname), and $3 was not the same" "$work/stderr" ||
    fail "$2 on $1: $(cat "$work/stderr")"
  [ "$(grep -c '"type":"step"' "$out/run.jsonl")" = $((step - 1)) ] || fail "$2 on $1: the update is in the log"
  grep -q "\"rank\":$rank,\"message\":\"" "$out/failures.jsonl" || fail "$2 on $1: not noted"
}
for twice in 0 1; do
  found 1 "forward 0 6 $twice" "layer1.attn_prob"
  all 1 "$work/found" --resume > "$work/log" 2>&1 || fail "resumed: $(tail -3 "$work/log")"
  same_curve "$work/whole" "$work/found" 8
done
found 1 "backward 0 3 1" "the gradient of layer0.x"
found 1 "gradient 0 3 0" "the gradient of encoder.layers.0.opm.linear_in.weight"
found 1 "losses 0 3 1" "the losses"
found 2 "forward 1 6 0" "layer1.attn_prob"
found 2 "backward 0 3 0" "the gradient of layer0.x"

# what is not looked at is not found: another update, another leaf, no check
for fault in "forward 0 4 0" "forward 0 6 2"; do
  rm -rf "$work/other"
  faulty 1 "$fault" "$work/other" --set train.silent_check_every=3 || fail "$fault: $(cat "$work/stderr")"
  [ "$(digest "$work/other/checkpoints/step-000000008.h5")" != "$(digest "$work/whole/checkpoints/step-000000008.h5")" ] || fail "$fault: there was no fault"
done
rm -rf "$work/other"
faulty 1 "forward 0 6 0" "$work/other" || fail "without the check: $(cat "$work/stderr")"

# one rank of a tensor group: all end, nobody waits
rm -rf "$work/other"
faulty 2 "gradient 1 3 0" "$work/other" --set train.silent_check_every=3 "${tensor[@]}"
code=$?
[ "$code" = 71 ] && grep -q "rank 1: update 3: leaf 0 was computed twice on .* the gradient of encoder.layers.0.opm.linear_in.weight was not" "$work/stderr" ||
  fail "tensor group, code $code: $(cat "$work/stderr")"
finish
