#!/usr/bin/env bash
# train.precision = "bf16": the same bits for any number of ranks, a curve of its own but near fp32's, and no mixing in one run.
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 200 || exit 1
ways=rounded
"$twotrack" bench ops --backend cpu-v4-native --op copy > "$work/log" 2>&1 && ways="rounded native"
grep -q "passed\|ok\|cannot run" "$work/log" || fail "bench ops: $(cat "$work/log")"
for way in $ways; do
  for n in 1 2; do
    TWOTRACK_BF16=$way train "$n" "$work/$way-$n" --set train.precision=bf16 > "$work/log" 2>&1 || fail "$way: $(tail -3 "$work/log")"
  done
  same_curve "$work/$way-1" "$work/$way-2"
  head -1 "$work/$way-1/run.jsonl" | grep -q "bf16 $way\".*\"precision\":\"bf16\"" || fail "$way: the log says $(head -1 "$work/$way-1/run.jsonl")"
  grep -q 'precision = "bf16"' "$work/$way-1/config.cfg" || fail "$way: config.cfg does not say it"
done
[ "$ways" = rounded ] || ! cmp -s <(curve "$work/rounded-1") <(curve "$work/native-1") || fail "native gives the bits of rounded"
train 1 "$work/rounded-1" --resume --set train.precision=fp32 > "$work/log" 2>&1 && fail "resumed in another precision"
grep -q 'train.precision = "bf16"., now .train.precision = "fp32"' "$work/log" || fail "resuming in another precision: $(tail -3 "$work/log")"

# the quick start's model learns alike: each of 40 updates within 0.2 % (seen: 0.04 %), and the loss falls by far more
learn() { train 2 "$work/$1" --set model.preset=cpu-small --set train.steps=40 --set train.batch_size=16 --set validation.every=40 \
  --set optimizer.warmup_steps=5 --set optimizer.learning_rate=2e-3 --set train.max_pairs=4000 --set train.precision="$2" > "$work/log" 2>&1 ||
  fail "$1: $(tail -3 "$work/log")"; }
learn fp32 fp32
for way in $ways; do
  TWOTRACK_BF16=$way learn "bf16-$way" bf16
  python3 - "$work/fp32/run.jsonl" "$work/bf16-$way/run.jsonl" << 'PYTHON' || fail "$way: it learns otherwise"
import json, sys
a, b = ([json.loads(line) for line in open(path)] for path in sys.argv[1:])
a, b = ([r["loss"] for r in run if r["type"] in ("step", "valid")] for run in (a, b))
worst = max(abs(x - y) / x for x, y in zip(a, b))
print(f"{len(a)} losses from {a[0]:.3f} to {a[-1]:.3f}, in bf16 {b[-1]:.3f}; worst difference {worst:.2%}")
assert len(a) == len(b) == 42 and a != b and worst < 0.002 and b[-1] < 0.75 * b[0], (a, b)
PYTHON
done
finish
