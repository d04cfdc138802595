#!/usr/bin/env bash
# twotrack bench step: what it prints holds together. (How fast is no matter of tests.)
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 20 || exit 1
ranks 2 "$twotrack" bench step "$here/small.cfg" --store "$work/store" --steps 3 --warmup 1 --json > "$work/json" 2> "$work/log" ||
  fail "bench: $(cat "$work/log")"
python3 - "$work/json" << 'PYTHON' || fail "figures do not hold together"
import json, os, sys
r = json.load(open(sys.argv[1]))
assert r["precision"] == "fp32" and "bf16" not in r["backend"] and r["ranks"] == 2 and r["steps"] == 3 and r["batch_size"] == 32, r
assert sum(r["length_histogram"]) == 3 * 32 and len(r["length_histogram"]) == 32, r["length_histogram"]
seconds = r["ms_per_update"] * r["steps"] / 1000
assert abs(r["conformations_per_s"] * seconds - 96) < 1e-6
assert all(v >= 0 for v in r["ms_per_update_by_part"].values()) and r["ms_per_update_by_part"]["pair FFN"] > 0
# each rank's parts add up to its own wall clock, which is at most the slowest one's
assert 0 < sum(r["ms_per_update_by_part"].values()) <= r["ms_per_update"] * 1.000001, r
assert 0 <= r["data_wait_ms_per_update"] < r["ms_per_update"], r["data_wait_ms_per_update"]
sent = r["bytes_sent_per_update"]
assert sent["losses"]["all_ranks"] == 32 * 40 and sent["other"]["all_ranks"] == 0 and sent["token rows"]["all_ranks"] == 0, sent
# two ranks: each gradient goes to its owner, unless it is there, and each weight comes back
assert sent["gradients"]["all_ranks"] == sent["weights"]["all_ranks"] == 4 * r["parameters"], sent
assert sent["norms"]["all_ranks"] >= 8 * r["parameters"] / 8192 and sent["records"]["all_ranks"] > 0, sent
assert all(v["all_ranks"] / 2 <= v["largest_rank"] <= v["all_ranks"] for v in sent.values()), sent
memory = r["planned_memory_bytes"]
assert memory["weights"] == 4 * r["parameters"] and memory["gradients"] == 3 * memory["weights"], memory # 4 leaves a rank
assert 4 * r["parameters"] <= memory["moments"] <= 4.4 * r["parameters"] and memory["exchange"] > 0 and memory["activations"] > 0, memory
rest = r["peak_memory_bytes_largest_rank"] - r["memory_bytes_before"] - sum(memory.values())
assert rest > 0 and (rest < 80e6 or "ASAN_OPTIONS" in os.environ), r # 28 MB for SGEMM, records; a sanitizer has its shadow
assert 1 < r["reference_flops_per_s"] / r["executed_flops_per_s"] < 4
assert abs(r["peak_fraction"] - r["executed_flops_per_s"] / r["sgemm_flops_per_s"]) < 1e-12
atoms, pairs = (r[k] * seconds for k in ("atoms_per_s", "pairs_per_s"))
assert pairs > atoms * atoms / 96 and abs(atoms - round(atoms)) < 1e-3, (atoms, pairs)
PYTHON
"$twotrack" bench step "$here/small.cfg" --store "$work/store" --steps 2 > "$work/table" 2>&1 && grep -q "^peak_fraction" "$work/table" ||
  fail "table: $(cat "$work/table")"
"$twotrack" bench step "$here/small.cfg" --store "$work/store" --steps 1 --warmup 0 --set train.precision=bf16 > "$work/table" 2>&1
grep -q ", bf16 [rn]" "$work/table" && grep -q "leaves, bf16: " "$work/table" || fail "bf16: $(head -3 "$work/table")"
[ ! -e "$work/store/run.jsonl" ] || fail "bench wrote a log"
for bad in "--steps 0" "--steps many" "--warmup -1" "--nonsense"; do
  # shellcheck disable=SC2086
  "$twotrack" bench step "$here/small.cfg" --store "$work/store" $bad > /dev/null 2> "$work/log" && fail "bench $bad was accepted"
  [ "$(grep -c 'twotrack: error' "$work/log")" = 1 ] || fail "bench $bad: $(cat "$work/log")"
done
finish
