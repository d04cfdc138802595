#!/usr/bin/env bash
# twotrack bench scaling: what it prints holds together. (How fast is no matter of tests.)
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 20 || exit 1
scaling() { local n=$1; shift; ranks "$n" "$twotrack" bench scaling "$here/small.cfg" --store "$work/store" --warmup 1 --steps 2 "$@"; }

scaling 4 --rounds 3 --json > "$work/json" 2> "$work/log" || fail "4 ranks: $(cat "$work/log")"
scaling 4 --rounds 1 --set parallel.tensor=2 --json > "$work/groups" 2> "$work/log" || fail "groups: $(cat "$work/log")"
scaling 1 --rounds 2 --mode weak --json > "$work/one" 2> "$work/log" || fail "1 rank: $(cat "$work/log")"
python3 - "$work/json" "$work/groups" "$work/one" << 'PYTHON' || fail "figures do not hold together"
import json, math, statistics, sys

def close(a, b):
    return math.isclose(a, b, rel_tol=1e-9)

def check(path, ranks, tensor, rounds, modes):
    r = json.load(open(path))
    assert (r["ranks"], r["tensor_ranks"], r["rounds"], r["steps"], r["warmup"]) == (ranks, tensor, rounds, 2, 1), r
    assert sorted(m for m in ("weak", "strong") if m in r) == sorted(modes)
    sizes = [n for n in (1, 2, 4) if n * tensor <= ranks]
    for mode in modes:
        assert [row["data_ranks"] for row in r[mode]] == sizes
        for n, row in zip(sizes, r[mode]):
            part = sizes[-1] // n if mode == "weak" else 1
            assert (row["ranks"], row["batch_size"], row["micro_batches"], row["steps"]) == (n * tensor, 32 // part, 8 // part, 2 * part), row
            assert close(row["executed_flops_per_conformation"], r[mode][0]["executed_flops_per_conformation"])  # the same molecules
            assert len(row["rounds"]) == rounds
            for k, one in enumerate(row["rounds"] + [row]):
                split = one["ms_per_update_split"]
                assert set(split) == {"computation", "imbalance", "communication", "data"} and min(split.values()) >= 0, split
                assert split["computation"] > 0 and close(sum(split.values()), one["ms_per_update"]), one
                assert close(one["conformations_per_s"], row["batch_size"] / one["ms_per_update"] * 1e3), one
                assert row["ranks"] > 1 or split["imbalance"] == 0, split
                if k < rounds:
                    first = r[mode][0]["rounds"][k]["conformations_per_s"] / tensor
                    assert close(one["efficiency"], one["conformations_per_s"] / row["ranks"] / first), (one, first)
            times = sorted(one["ms_per_update"] for one in row["rounds"])
            assert row["ms_per_update"] == times[(rounds - 1) // 2]
            assert close(row["conformations_per_s_a_rank"] * row["ranks"], row["conformations_per_s"])
            for name, key in (("efficiency", "efficiency"), ("conformations_per_s_rounds", "conformations_per_s")):
                values, spread = [one[key] for one in row["rounds"]], row[name]
                assert close(spread["median"], statistics.median(values)), (name, row)
                assert (spread["least"], spread["most"]) == (min(values), max(values)), (name, row)
        assert set(r[mode][0]["efficiency"].values()) == {1}
    return r

both = check(sys.argv[1], 4, 1, 3, ["weak", "strong"])
for a, b in zip(both["weak"][-1]["rounds"], both["strong"][-1]["rounds"]):  # one measurement
    assert {**a, "efficiency": 0} == {**b, "efficiency": 0}
assert both["weak"][-1]["ms_per_update_split"]["communication"] > 0, both["weak"][-1]
check(sys.argv[2], 4, 2, 1, ["weak", "strong"])
check(sys.argv[3], 1, 1, 2, ["weak"])
PYTHON

# the tables: a line for each number of ranks in each, whose parts add up as far as they are printed
scaling 2 --rounds 1 --warmup 0 > "$work/table" 2> "$work/log" || fail "table: $(cat "$work/log")"
awk '$1 ~ /^[12]$/ && NF == 11 { rates++ } $1 ~ /^[12]$/ && NF == 6 { splits++; d = $2 - $3 - $4 - $5 - $6; if (d > 0.03 || d < -0.03) bad = 1 }
     END { exit !(rates == 4 && splits == 4 && !bad) }' "$work/table" || fail "table: $(cat "$work/table")"
ranks 2 "$twotrack" bench scaling --help > "$work/help" 2>&1 && [ "$(grep -c ^usage "$work/help")" = 1 ] || fail "help: $(cat "$work/help")"

# refused RANKS WORDS COMMAND...: one message, once, and no figures
refused() {
  local n=$1 words=$2; shift 2
  scaling "$n" "$@" > "$work/out" 2> "$work/log" && fail "$* was accepted"
  [ "$(grep -c 'twotrack: error' "$work/log")" = 1 ] && grep -q -- "$words" "$work/log" && [ ! -s "$work/out" ] || fail "$*: $(cat "$work/log")"
}
refused 2 "--mode takes weak, strong or both, not 'fast'" --mode fast
refused 1 "--rounds takes a whole number from 1" --rounds 0
refused 1 "--rounds takes at most 999" --rounds 1000
refused 1 "is no option" --sgemm-seconds 1
refused 1 "name one configuration file" another.cfg
refused 3 "3 ranks are no power of two" --rounds 1
refused 2 "set it to 2 or more" --set train.micro_batches=1
refused 2 "multiple of data.lanes = 32" --set data.lanes=32 --set train.batch_size=32
refused 1 "a tensor group needs parallel.tensor = 2 ranks" --set parallel.tensor=2
# what stops only the measurement on two ranks stops all, and is said once
refused 2 "too few for data.lanes = 8" --mode strong --set data.lanes=8
[ "$(find "$work/store" -newer "$work/json" | wc -l)" = 0 ] || fail "it wrote into the store"
finish
