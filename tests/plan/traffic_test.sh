#!/usr/bin/env bash
# The bytes that a plan says each kind of message has are those that the ranks count, to the last one: for every layout, of
# all ranks and of the one that sends most.
source "$(dirname "$0")/../train/common.sh"
"$make_store" "$work/store" 5000 200 || exit 1
config=$here/small.cfg

# same RANKS TENSOR [OPTIONS...]: two updates, after one that is not counted
same() {
  local n=$1 tensor=$2; shift 2
  ranks "$n" "$twotrack" bench step "$config" --store "$work/store" --warmup 1 --steps 2 --sgemm-seconds 0 --json --set parallel.tensor="$tensor" \
    "$@" > "$work/counted" 2> "$work/log" || fail "bench, $n ranks in groups of $tensor: $(tail -3 "$work/log")"
  "$twotrack" plan "$config" --store "$work/store" --gpu cpu --gpus "$n" --updates 1:2 --json "$@" > "$work/planned" 2> "$work/log" ||
    fail "plan, $n ranks: $(tail -3 "$work/log")"
  python3 - "$work/counted" "$work/planned" "$n" "$tensor" << 'PYTHON' || fail "$n ranks in groups of $tensor: $*"
import json, sys
counted, plan = (json.load(open(path)) for path in sys.argv[1:3])
ranks, tensor = map(int, sys.argv[3:])
layout = next(l for l in plan["layouts"] if l["tensor"] == tensor and l["data"] == ranks // tensor)
assert counted["ranks"] == ranks and counted["steps"] == plan["molecules"]["updates"] == 2
assert sum(counted["length_histogram"]) == plan["molecules"]["molecules"]
wrong = False
for kind, sent in counted["bytes_sent_per_update"].items():
    for which in ("all_ranks", "largest_rank"):
        if sent[which] * 2 != layout["bytes_sent"][kind][which]:
            print(kind, which, "counted", sent[which] * 2, "planned", layout["bytes_sent"][kind][which])
            wrong = True
# what must be there is there
busy = {"records", "losses", "gradients", "norms", "weights"} if ranks > 1 else set()
busy |= {"token rows", "attention bias"} if tensor > 1 else set()
assert busy == {k for k, v in layout["bytes_sent"].items() if v["all_ranks"]}, layout["bytes_sent"]
sys.exit(wrong)
PYTHON
}

for layout in "1 1" "2 1" "4 1" "2 2" "4 2" "4 4"; do
  # shellcheck disable=SC2086
  same $layout
done
# several buckets, and more lanes than ranks
wide=(--set model.embed_dim=512 --set model.ffn_dim=1024 --set model.layers=5 --set train.batch_size=16 --set train.micro_batches=4)
same 4 1 "${wide[@]}"
same 4 2 "${wide[@]}" --set train.recompute=pair
finish
