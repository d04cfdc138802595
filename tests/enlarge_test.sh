#!/usr/bin/env bash
# benchmarks/enlarge: enlarge_test.sh TWOTRACK MAKE_STORE ENLARGE. A sound store with as many molecules as asked, the same every time.
set -u
twotrack=$1 make_store=$2 enlarge=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $*"; exit 1; }
"$make_store" "$work/small" 300 100 || fail "make_store"
"$enlarge" "$work/small" "$work/large" 5000 7 > "$work/said" || fail "enlarge"
"$twotrack" store verify "$work/large" > "$work/log" 2>&1 || fail "not sound: $(cat "$work/log")"
python3 - "$work" << 'PYTHON' || fail "figures do not hold together"
import collections, json, os, sys
work = sys.argv[1]
read = lambda name: json.load(open(os.path.join(work, name)))
said, small, large = read("said"), read("small/manifest.json")["shards"], read("large/manifest.json")["shards"]
count = lambda shards, split, what: sum(s[what] for s in shards if s["split"] == split)
assert [count(large, split, "records") for split in ("train", "valid")] == [3750, 1250], large # 3 : 1 as the small one
assert sum(s["split"] == "train" for s in large) == 7 and said["shards"] == len(large), large
assert said["molecules"] == said["conformers"] == 5000 and said["bytes"] == sum(s["bytes"] for s in large), said
for split in ("train", "valid"): # 12.5 times each molecule
    assert abs(count(large, split, "atoms") / count(small, split, "atoms") - 12.5) < 0.25, (split, large)
assert min(s["records"] for s in large) > 300, large # spread over the shards, not one shard full
PYTHON
"$enlarge" "$work/small" "$work/again" 5000 7 > /dev/null && diff -r "$work/large" "$work/again" || fail "another time, another store"
"$enlarge" "$work/small" "$work/large" 5000 > /dev/null 2> "$work/log" && fail "wrote into a store"
grep -q "is there already" "$work/log" || fail "no reason: $(cat "$work/log")"
"$enlarge" "$work/small" "$work/none" 0 > /dev/null 2>&1 && fail "no molecules were accepted"
"$twotrack" bench loader --store "$work/large" --seconds 0.01 --set data.lanes=3 --set train.batch_size=96 --set train.micro_batches=8 > "$work/log" 2>&1 ||
  fail "cannot be read: $(cat "$work/log")"
echo "all passed"
