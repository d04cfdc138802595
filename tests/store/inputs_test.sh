#!/bin/bash
# twotrack store build from XYZ and LMDB files: one molecule is one record, whatever file it is from.
# usage: inputs_test.sh TWOTRACK VECTORS [MPIRUN]     exit code 77: a build without RDKit
# VECTORS: unimol.xyz has 8 molecules of 3 frames each; unimol.lmdb and unimol2.lmdb (make_unimol.py) the same ones.
vectors=$(realpath "$2")
mpirun=${3:-}
. "$(dirname "$0")/common.sh"
build() { # build OUT ARGUMENTS...
  local out=$1
  shift
  "$twotrack" store build --valid-fraction 0 --shards 1 --out "$out" "$@" >"$out.txt" 2>message ||
    fail "building $out from $*: $(cat message)"
}
refused() { # refused PATTERN ARGUMENTS...: exits with 1 and says PATTERN in one line
  local pattern=$1 got=0
  shift
  "$twotrack" store build --out never "$@" 2>message >/dev/null || got=$?
  if [ "$got" != 1 ] || ! grep -q -- "$pattern" message || [ "$(wc -l <message)" != 1 ]; then
    fail "'store build $*' gave $got, not 1 and '$pattern': $(cat message)"
  fi
}
content() { # the digest of the one shard's arrays
  grep -o '"digest": *"[0-9a-f]*"' "$1/manifest.json" | sort
}
same() { # same A B: the shards hold the same arrays
  local common
  common=$(comm -12 <(content "$1") <(content "$2") | wc -l)
  [ "$common" -ge 1 ] || fail "the records of $1 and $2 differ"
}
rejected() { # rejected DIR NUMBER PATTERN
  awk -F '\t' -v n="$2" '$2 == n' "$1/rejected.tsv" | grep -q -- "$3" || fail "$1/rejected.tsv, record $2: no '$3'"
}

needs_rdkit

# ---- the same molecules from three kinds of files ----------------------------------------------------------

build xyz "$vectors/unimol.xyz"
build v1 "$vectors/unimol.lmdb"
build v2 --lmdb "$vectors/unimol2.lmdb"
grep -q '8 molecules .* with 24 conformers' xyz.txt || fail "of 8 molecules with 3 frames each: $(cat xyz.txt)"
same xyz v1
same xyz v2

# with hydrogens: the last molecule's are missing in unimol.lmdb, so these are not compared
build xyz-h --keep-hydrogens "$vectors/unimol.xyz"
build v2-h --keep-hydrogens "$vectors/unimol2.lmdb"
grep -q '24 conformers' v2-h.txt || fail "with hydrogens: $(cat v2-h.txt)"

# atoms in another order, gzipped: the same molecules. Their atoms may come in another order, too, where some are alike
awk '/^[0-9]+$/ && !left { n = $1; print; getline; print; left = n; next }
  left { line[left--] = $0; if (!left) for (k = 1; k <= n; k++) print line[k] }' "$vectors/unimol.xyz" | gzip >turned.xyz.gz
build turned turned.xyz.gz "$vectors/unimol.xyz"
grep -q '^turned: 8 molecules' turned.txt || fail "atoms in another order: $(cat turned.txt)"

if [ -n "$mpirun" ]; then
  "$mpirun" -q --oversubscribe -n 3 "$twotrack" store build --valid-fraction 0 --shards 1 --out ranks "$vectors/unimol.lmdb" \
    >ranks.txt 2>message || fail "3 ranks: $(cat message)"
  diff -r v1 ranks >/dev/null || fail "3 ranks make another store"
fi

# ---- what cannot be used ----------------------------------------------------------------------------------

cat >odd.xyz <<'END'
5
methane
C 0 0 0
H 0.63 0.63 0.63
H -0.63 -0.63 0.63
H -0.63 0.63 -0.63
H 0.63 -0.63 -0.63
5
five atoms, says the count, and there are four
C 0 0 0
H 0.63 0.63 0.63
H -0.63 -0.63 0.63
H -0.63 0.63 -0.63
4
methyl
C 0 0 0
H 0 1.08 0
H 0.94 -0.54 0
H -0.94 -0.54 0
4
methyl cation, charge=+1
C 0 0 0
H 0 1.08 0
H 0.94 -0.54 0
H -0.94 -0.54 0
what is this?
2
oxide of iron
Fe 0 0 0
O 0 0 1.6
3
Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3 pbc="T T T"
O 0 0 0
H 0 0.76 0.59
H 0 -0.76 0.59
3
heavy atoms only
C 0 0 0
C 1.53 0 0
C 2.04 1.44 0
2
no numbers
C 0 0 zero
O 0 0 1.13
END
build odd --max-atoms 20 odd.xyz "$vectors/unimol.xyz"
rejected odd 2 'parse: the frame ends after 4 of 5 atoms'
rejected odd 3 'charge: .* would fit: -1 +1'
rejected odd 5 'parse: no number of atoms'
rejected odd 6 'bonds: .* not perceived'
rejected odd 7 'periodic'
rejected odd 8 'hydrogens missing'
rejected odd 9 'parse: atom 1 has no x, y, z'
[ "$(wc -l <odd/rejected.tsv)" = 8 ] || fail "one heading and 7 records: $(cat odd/rejected.tsv)"

head -c 20000 "$vectors/unimol.lmdb" >cut.lmdb
refused 'cut.lmdb is cut short' cut.lmdb
refused 'is no LMDB database' --lmdb odd.xyz
refused 'not a file but a folder (of an LMDB database name its data.mdb)' --lmdb .
printf '%02000d' 0 | gzip -n >packed.lmdb.gz
refused 'packed.lmdb.gz is no LMDB database' packed.lmdb.gz

# a record that is none
LC_ALL=C sed 's/smi/sme/' "$vectors/unimol.lmdb" >damaged.lmdb
"$twotrack" store build --valid-fraction 0 --out damaged damaged.lmdb odd.xyz >/dev/null 2>message || fail "damaged: $(cat message)"
grep -q 'record: its pickle has no "smi"' damaged/rejected.tsv || fail "a pickle without smi: $(cat damaged/rejected.tsv)"

finish
