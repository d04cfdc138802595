#!/bin/bash
# Jobs that write into one folder at the same moment: one of them writes the store, the others are refused and spoil nothing.
# usage: two_writers_test.sh TWOTRACK     exit code 77: a build without RDKit
. "$(dirname "$0")/common.sh"
build() { "$twotrack" store build "$1" --out "$2" --seed 5 --shards 6 >"log-$3" 2>&1; }
for a in C CC CCC OCC NCC FCC CSC COC 'CC(C)' 'OC(=O)' C1CC1 c1ccccc1; do
  for b in O N C F Cl S OC NC CO 'C=O' 'C#N' C1CC1 c1ccccc1; do echo "$a$b"; done
done >a.smi
tac a.smi >b.smi # the same molecules: whoever wins writes the same store
build a.smi whole 0 || { grep -q 'has no RDKit' log-0 && exit 77; fail "$(cat log-0)"; }

rounds=3
[ -n "${TT_TEST_LONG:-}" ] && rounds=20
for round in $(seq "$rounds"); do
  jobs=()
  for k in 1 2 3; do
    input=a.smi
    [ $k = 2 ] && input=b.smi
    build "$input" "out-$round" "$k" &
    jobs+=($!)
  done
  winners=0
  for k in 1 2 3; do
    if wait "${jobs[$((k - 1))]}"; then
      winners=$((winners + 1))
    else
      grep -qE "twotrack: error: .*out-$round" "log-$k" || fail "round $round: a refusal that says nothing: $(cat "log-$k")"
    fi
  done
  [ "$winners" = 1 ] || fail "round $round: $winners jobs wrote the store: $(cat log-1 log-2 log-3)"
  rm -f "out-$round/rejected.tsv" # names the input
  diff -r -x rejected.tsv whole "out-$round" >/dev/null || fail "round $round: another store: $(diff -rq whole "out-$round")"
  "$twotrack" store verify "out-$round" >log-0 2>&1 || fail "round $round: $(cat log-0)"
done

finish
