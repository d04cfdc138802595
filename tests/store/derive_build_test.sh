#!/bin/bash
# Stores that were built apart and merged are the store built at once, byte for byte.
# usage: derive_build_test.sh TWOTRACK [MPIRUN]     exit code 77: a build without RDKit
mpirun=${2:-}
. "$(dirname "$0")/common.sh"
store() { # store ARGUMENTS...: must succeed
  "$twotrack" store "$@" >out.txt 2>message || fail "store $*: $(cat message)"
}
same() {
  diff -r -x origin.json -x rejected.tsv "$1" "$2" >/dev/null || fail "$1 and $2 differ"
}

needs_rdkit

for middle in C O N S CC 'C(=O)' 'C(F)' C1CC1; do
  for end in C CC O CO C#N c1ccccc1 'C(=O)O' Cl; do echo "C$middle$end"; done
done | sort -u >all.smi
head -40 all.smi >first.smi
tail -n +25 all.smi >second.smi # 16 are in both
options=(--max-atoms 14 --valid-fraction 0.2 --seed 3 --conformers 2)
store build all.smi --out whole "${options[@]}" --shards 4
store build first.smi --out first "${options[@]}" --shards 2
store build second.smi --out second "${options[@]}"
store merge first second --out merged --shards 4
same merged whole
grep -q '^16 records joined an earlier one of the same molecule: [1-9][0-9]* conformers of theirs were there; 0 ' out.txt ||
  fail "merged: $(cat out.txt)"
store verify merged
if [ -n "$mpirun" ]; then
  "$mpirun" -q --oversubscribe -n 2 "$twotrack" store merge second first --out ranks --shards 4 >out.txt 2>message ||
    fail "two ranks: $(cat message)"
  same ranks whole
fi
# files without common molecules: nothing need be said of the shards
tail -n +41 all.smi >rest.smi
store build all.smi --out plain "${options[@]}"
store build rest.smi --out rest "${options[@]}"
store merge rest first --out again
same again plain

# Another recipe is united with the first one's: ETKDG with another number of conformers adds to it.
store build first.smi --out more "${options[@]:0:6}" --conformers 4
store merge first more --out both --json
grep -q '"joined": 40,' out.txt || fail "two recipes: $(cat out.txt)"
"$twotrack" store info both | grep -q 'conformers 2, .*; .*conformers 4, ' || fail "recipe: $("$twotrack" store info both)"

finish
