#!/usr/bin/env bash
# twotrack bench loader: what it prints holds together. (How fast is no matter of tests.)
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 20 || exit 1
"$twotrack" bench loader "$here/small.cfg" --store "$work/store" --seconds 0.05 --json > "$work/json" 2> "$work/log" ||
  fail "bench loader: $(cat "$work/log")"
python3 - "$work/json" "$work/store" << 'PYTHON' || fail "figures do not hold together"
import json, os, sys
r, store = json.load(open(sys.argv[1])), sys.argv[2]
shards = [s for s in json.load(open(os.path.join(store, "manifest.json")))["shards"] if s["split"] == "train"]
assert r["molecules"] == r["conformers"] == 5000 and r["shards"] == len(shards) + 1, r
assert r["bytes"] == sum(os.path.getsize(os.path.join(store, s["file"])) for s in shards), r
assert r["bytes_per_conformation"] == r["bytes"] / 5000 and r["open_seconds"] > 0 and r["peak_memory_bytes"] > 1e6, r
for name in ("sequential", "shuffled", "batches"):
    rate, first, again = r[name], r[name]["first_pass"], r[name]["again"]
    # the second pass is over what the first one had, whole times
    assert rate["distinct"] == first["molecules"] > 0 and again["molecules"] % first["molecules"] == 0 < again["molecules"], (name, rate)
    assert again["seconds"] >= 0.05 and abs(rate["molecules_per_s"] * again["seconds"] - again["molecules"]) < 1e-6 * again["molecules"], rate
    assert 0 < again["cpu_seconds"] < 1.2 * again["seconds"] + 0.02, (name, rate) # one core
for name in ("sequential", "shuffled"): # chunks until the time is over, none of them twice
    assert r[name]["distinct"] == 5000 or r[name]["distinct"] % 256 in (0, 5000 % 256), r[name]
assert r["batches"]["distinct"] % 32 == 0, r
PYTHON
"$twotrack" bench loader --store "$work/store" --seconds 0.02 --set data.lanes=4 --set train.batch_size=64 > "$work/table" 2>&1 &&
  grep -q "^finished batches  " "$work/table" || fail "table: $(cat "$work/table")"
if [ -n "$mpirun" ]; then
  "$mpirun" -q --oversubscribe -n 2 "$twotrack" bench loader "$here/small.cfg" --store "$work/store" > /dev/null 2> "$work/log" && fail "two ranks were accepted"
  grep -q "one process, not 2 ranks" "$work/log" || fail "two ranks: $(cat "$work/log")"
fi
for bad in "--seconds 0" "--seconds many" "--cpus 0" "--nonsense" "another.cfg"; do
  # shellcheck disable=SC2086
  "$twotrack" bench loader "$here/small.cfg" --store "$work/store" $bad > /dev/null 2> "$work/log" && fail "bench loader $bad was accepted"
  [ "$(grep -c 'twotrack: error' "$work/log")" = 1 ] || fail "bench loader $bad: $(cat "$work/log")"
done
"$twotrack" bench loader > /dev/null 2> "$work/log" && fail "no store was accepted"
grep -q -- "--store DIR" "$work/log" || fail "no store: $(cat "$work/log")"
finish
