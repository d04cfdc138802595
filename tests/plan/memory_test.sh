#!/usr/bin/env bash
# The memory that a plan expects is within a tenth of what the largest rank has taken at its peak.
source "$(dirname "$0")/../train/common.sh"
"$make_store" "$work/store" 5000 200 || exit 1
config=$here/small.cfg
unset MALLOC_PERTURB_ # which meson sets: it would touch memory that was only asked for

# near RANKS TENSOR OPTIONS...
near() {
  local n=$1 tensor=$2; shift 2
  ranks "$n" "$twotrack" bench step "$config" --store "$work/store" --warmup 1 --steps 1 --sgemm-seconds 0.001 --json --set parallel.tensor="$tensor" \
    "$@" > "$work/measured" 2> "$work/log" || fail "bench, $n ranks in groups of $tensor: $(tail -3 "$work/log")"
  # of lengths drawn from the store's histogram, not of those that were met
  "$twotrack" plan "$config" --store "$work/store" --gpu cpu --gpus "$n" --json "$@" > "$work/planned" 2> "$work/log" ||
    fail "plan, $n ranks: $(tail -3 "$work/log")"
  python3 - "$work/measured" "$work/planned" "$tensor" << 'PYTHON' || fail "$n ranks in groups of $tensor: $*"
import json, sys
measured, plan = (json.load(open(path)) for path in sys.argv[1:3])
memory = next(l for l in plan["layouts"] if l["tensor"] == int(sys.argv[3]))["memory_bytes"]
peak, expected = measured["peak_memory_bytes_largest_rank"], memory["expected"]
print(f"measured {1e-6 * peak:.1f} MB, planned {1e-6 * expected:.1f} ({expected / peak:.3f}), at most {1e-6 * memory['at_most']:.1f}")
# the process by itself must not be all there is, or the model's part would not be tested
assert peak > 2.5 * memory["process"], "too small to tell"
assert abs(expected / peak - 1) < 0.1
assert memory["at_most"] > 0.98 * peak
PYTHON
}

near 1 1 --set model.preset=cpu-base --set train.micro_batches=2 --set train.max_pairs=4096
near 2 2 --set model.preset=cpu-base --set model.layers=12 --set train.micro_batches=2 --set train.max_pairs=2048 --set train.recompute=pair
near 2 1 --set model.preset=42M --set model.layers=2 --set train.batch_size=8 --set train.micro_batches=4 --set train.max_pairs=1024
finish
