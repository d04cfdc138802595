#!/usr/bin/env bash
# Updates that are not finite, by policy: a run that leaves a batch out, or goes back and leaves it out, has the same records
# and digest as one that was told to leave it out from the start; on any number of ranks, killed and resumed in between.
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 200 12 || exit 1
inject=$(dirname "$make_store")/inject_numbers

# run RANKS OUT FAULTS [OPTIONS...]
run() {
  local n=$1 out=$2 faults=$3; shift 3
  TT_TEST_NUMBERS=$faults ranks "$n" "$inject" train "$here/small.cfg" --store "$work/store" --out "$out" "$@" > "$work/log" 2>&1
}
logged() { grep "\"type\":\"$2\"" "$1/run.jsonl" | sed -E 's/,"loss.*//; s/.*"type":"[a-z_]*",//'; }
listed() { "$twotrack" checkpoint info "$1" --json | tr -d '\n ' | grep -o '"skipped_batches":\[[0-9,]*\]'; }
steps() { grep -o '"type":"step","step":[0-9]*' "$1/run.jsonl" | cut -d: -f3 | tr '\n' ' '; }

# ---- told from the start ----
told=$work/told
run 1 "$told" "" --set "train.skip_batches=0, 5-6,9" || fail "told: $(tail -3 "$work/log")"
[ "$(listed "$told")" = '"skipped_batches":[0,5,6,9]' ] || fail "told: the checkpoint lists $(listed "$told")"
[ "$(logged "$told" skip_batch | tr '\n' ' ')" = '"step":1,"policy":"list","batch":0,"batches":1} "step":5,"policy":"list","batch":5,"batches":2} "step":7,"policy":"list","batch":9,"batches":1} ' ] ||
  fail "told: the log has $(logged "$told" skip_batch)"
run 1 "$work/plain" "" || fail "plain: $(tail -3 "$work/log")"
cmp -s <(curve "$told") <(curve "$work/plain") && fail "batches left out change nothing"
[ -z "$(logged "$work/plain" skip_batch)" ] && [ "$(listed "$work/plain")" = '"skipped_batches":[]' ] || fail "plain: something is left out"

# replayed RUN STEP BATCH: from the log's list, past the newest checkpoint before it
replayed() {
  "$twotrack" replay "$1" --step "$2" --json > "$work/replay" 2>&1 && grep -q '"same_bits": *true' "$work/replay" &&
    grep -q "\"batch\": *$3[,}]*\$" "$work/replay" || fail "replay of $1, update $2: $(head -c 400 "$work/replay")"
}
replayed "$told" 8 11

# ---- found on the way ----
faults="norm 0,loss 5,norm 6,loss 9"
for n in 1 2 4; do
  out=$work/skip-$n
  run $n "$out" "$faults" --set train.non_finite=skip || fail "skip, $n: $(tail -3 "$work/log")"
  same_curve "$told" "$out"
  [ "$(grep -c 'twotrack: warning: update .* no weight was changed; the update goes on with the next batch' "$work/log")" = 4 ] || fail "skip, $n: $(cat "$work/log")"
  [ "$(logged "$out" skip_batch | tr '\n' ' ')" = '"step":1,"policy":"skip","batch":0,"batches":1 "step":5,"policy":"skip","batch":5,"batches":1 "step":5,"policy":"skip","batch":6,"batches":1 "step":7,"policy":"skip","batch":9,"batches":1 ' ] ||
    fail "skip, $n: the log has $(logged "$out" skip_batch)"
  [ ! -e "$out/failures.jsonl" ] || fail "skip, $n: noted as a failure"
  [ $n = 1 ] && replayed "$out" 7 10
done
for n in 1 2 4; do # the first two go back to the start, the others to a checkpoint of update 4
  out=$work/back-$n
  run $n "$out" "$faults" --set train.non_finite=rollback || fail "rollback, $n: $(tail -3 "$work/log")"
  same_curve "$told" "$out"
  [ "$(grep -o '"back_to":[0-9]*' "$out/run.jsonl" | tr '\n' ' ')" = '"back_to":0 "back_to":4 "back_to":4 "back_to":4 ' ] || fail "rollback, $n: $(logged "$out" rollback)"
  [ "$(steps "$out")" = "1 2 3 4 5 6 7 8 9 10 11 12 " ] || fail "rollback, $n: the log has steps $(steps "$out")"
  [ ! -e "$out/failures.jsonl" ] || fail "rollback, $n: noted as a failure"
done

# ---- killed in between, resumed with other ranks and without the fault of what is left out ----
for policy in skip rollback; do
  out=$work/killed-$policy
  TT_TEST_KILL=10 run 2 "$out" "$faults" --set train.non_finite=$policy && fail "killed, $policy: it was not"
  [ "$(listed "$out")" = '"skipped_batches":[0]' ] || fail "killed, $policy: the checkpoint lists $(listed "$out")"
  run 1 "$out" "$faults" --resume --set train.non_finite=$policy --set train.steps=12 || fail "resumed, $policy: $(tail -3 "$work/log")"
  same_curve "$told" "$out"
  [ "$(listed "$out")" = '"skipped_batches":[0,5,6,9]' ] || fail "resumed, $policy: the checkpoint lists $(listed "$out")"
done
# the list of a checkpoint counts, and of the configuration's what is still ahead
out=$work/later
TT_TEST_KILL=10 run 1 "$out" "$faults" --set train.non_finite=skip && fail "later: it was not killed"
run 4 "$out" "" --resume --set "train.skip_batches=1,5-6,9" || fail "later: $(tail -3 "$work/log")"
same_curve "$told" "$out"
grep -q "warning: 1 of the batches that train.skip_batches names were used already, before batch 5" "$work/log" || fail "later: no warning: $(cat "$work/log")"

# ---- weights that a fault has spoilt: going back mends them, leaving a batch out does not ----
run 2 "$work/seven" "" --set train.skip_batches=7 || fail "seven: $(tail -3 "$work/log")"
run 2 "$work/spoilt" "weight 7" --set train.non_finite=rollback || fail "spoilt: $(tail -3 "$work/log")"
same_curve "$work/seven" "$work/spoilt"
run 2 "$work/spoilt-skip" "weight 7" --set train.non_finite=skip --set train.skip_limit=3 && fail "spoilt weights went unnoticed"
grep -q "error: update 8: .* in batch 10; .*the run has left out 3 batches by itself already" "$work/log" || fail "limit: $(tail -3 "$work/log")"
[ "$(wc -l < "$work/spoilt-skip/failures.jsonl")" = 1 ] || fail "limit: not one failure noted"

# ---- the default ----
run 2 "$work/stop" "norm 7" && fail "a gradient that is not finite was not seen"
grep -q "error: update 8: the loss is .* in batch 7; no weight was changed. Leave the batch out (train.skip_batches" "$work/log" || fail "stop: $(tail -3 "$work/log")"
run 2 "$work/stop" "norm 7" --resume --set train.skip_batches=7 || fail "stop, resumed: $(tail -3 "$work/log")"
same_curve "$work/seven" "$work/stop"

# a finite gradient that Adam cannot square, unless it is clipped before
run 2 "$work/large" "large 2" --set optimizer.clip_norm=0 && fail "a gradient of 1e30 was taken"
grep -q "error: update 3: .* gradient norm 1e+30, too large for the optimizer's 32 bits, in batch 2" "$work/log" || fail "large: $(tail -3 "$work/log")"
run 1 "$work/clipped" "large 2" --set train.steps=4 || fail "a gradient of 1e30, clipped: $(tail -3 "$work/log")"
# a validation stops under every policy, and what it looked at is not saved
run 2 "$work/valid" "valid 9" --set train.non_finite=rollback --set train.checkpoint_every=5 && fail "an infinite validation loss was not seen"
grep -q "error: validation after update 10: the loss is inf" "$work/log" || fail "valid: $(tail -3 "$work/log")"
[ "$(ls "$work/valid/checkpoints")" = step-000000005.h5 ] || fail "valid: it left $(ls "$work/valid/checkpoints")"

run 1 "$work/wrong" "" --set train.skip_batches=7-5 && fail "7-5 is no range"
grep -q 'skip_batches = "7-5" is no list of batches: write numbers' "$work/log" || fail "wrong list: $(cat "$work/log")"
finish
