#!/usr/bin/env bash
# A run that fails on the same checkpoint again stays stopped; one that is killed does not.
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 200 12 || exit 1

# records CHECKPOINT: failures that were noted of runs from it
records() { grep -c "^{\"checkpoint\":$1,.*}\$" "$out/failures.jsonl" 2> /dev/null; }
messages() { grep -c "twotrack: error" "$work/log"; }
newest() { ls "$out/checkpoints" | sed -n 's/step-0*\([0-9]*\).h5/\1/p' | tail -1; }

# weights that grow until nothing is finite any more, after the first checkpoint
out=$work/wild n=2 # two ranks until it is refused; then one, which is told the same
wild() {
  train "$n" "$out" --resume --set optimizer.learning_rate=1 --set optimizer.schedule=constant --set optimizer.clip_norm=0 \
    --set optimizer.beta1=0.99 --set optimizer.beta2=0.01 --set train.position_loss_weight=1e6 --set train.steps=40 "$@" > "$work/log" 2>&1
}
wild && fail "the run did not become non-finite: choose worse settings"
grep -q "the loss is .*nan" "$work/log" || fail "not finite: $(tail -3 "$work/log")"
at=$(newest)
[ "${at:-0}" -gt 0 ] && [ "$(records 0)" = 1 ] || fail "first failure: checkpoint '$at', $(cat "$out/failures.jsonl")"
for k in 1 2; do
  wild && fail "resumed $k times: no failure"
  grep -q "the loss is .*nan" "$work/log" && [ "$(records "$at")" = $k ] || fail "resumed $k times: $(tail -3 "$work/log")"
done
before=$(cat "$out/failures.jsonl" "$out/run.jsonl" | cksum)
for dry in "" --dry-run; do
  wild $dry && fail "a third resume was not refused ($dry)"
  grep -q "failed 2 times from its checkpoint of update $at, .* on rank 0: 'update .*the loss is .*nan.*remove .*failures.jsonl" "$work/log" &&
    [ "$(messages)" = 1 ] || fail "refusal ($dry): $(tail -3 "$work/log")"
done
n=1
[ "$before" = "$(cat "$out/failures.jsonl" "$out/run.jsonl" | cksum)" ] || fail "a refused resume left something behind"

# the two ways on: an older checkpoint, and without the record
mkdir "$work/aside" && mv "$out/checkpoints/step-$(printf %09d "$at").h5" "$work/aside/"
wild && fail "from the checkpoint before: no failure"
grep -q "the loss is .*nan" "$work/log" || fail "from the checkpoint before: $(tail -3 "$work/log")"
rm "$out/failures.jsonl"
wild && fail "without the record: no failure"
grep -q "the loss is .*nan" "$work/log" && [ "$(cat "$out/failures.jsonl" | wc -l)" = 1 ] || fail "without the record: $(tail -3 "$work/log")"

# damaged shards, before the first checkpoint; once they are mended and the record is removed, the run goes on
train 2 "$work/whole" > "$work/log" 2>&1 || fail "the undisturbed run: $(tail -3 "$work/log")"
out=$work/damaged
cp -r "$work/store" "$work/broken"
for s in 0 1 2 3 4; do spoil "$work/broken/shard-0000$s.h5"; done
for k in 1 2 3; do
  train $((k == 1 ? 2 : 1)) "$out" --resume --store "$work/broken" > "$work/log" 2>&1 && fail "damaged shard $k: no failure"
  grep -q "broken/shard-0000" "$work/log" && [ "$(messages)" = 1 ] || fail "damaged shard $k: $(tail -3 "$work/log")"
done
grep -q "failed 2 times from its start, .*broken/shard-0000" "$work/log" || fail "damaged shard: $(tail -3 "$work/log")"
train 1 "$out" --resume > "$work/log" 2>&1 && fail "the record was forgotten with the damage"
rm "$out/failures.jsonl"
train 2 "$out" --resume > "$work/log" 2>&1 || fail "after the damage was mended: $(tail -3 "$work/log")"
same_curve "$work/whole" "$out"

# what happens before training starts, and kills from outside, do not count
out=$work/killed
for k in 1 2 3; do
  train $((k == 1 ? 2 : 1)) "$out" --resume --set train.steps=2000 > "$work/log" 2>&1 &
  for _ in $(seq 600); do [ -s "$out/run.jsonl" ] && break; sleep 0.1; done
  sleep 0.3
  pkill -KILL -f -- "$twotrack train .*--out $out" || fail "kill $k: the run was over"
  wait $! 2> /dev/null
  train 1 "$out" --resume --set train.steps=2000 --store "$work/none" > "$work/log" 2>&1 && fail "a missing store was accepted"
done
[ ! -e "$out/failures.jsonl" ] || fail "kills were noted: $(cat "$out/failures.jsonl")"
finish
