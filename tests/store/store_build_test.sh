#!/bin/bash
# twotrack store build: the same store for any number of ranks and any order of the input; what is refused and how.
# usage: store_build_test.sh TWOTRACK [MPIRUN]     exit code 77: a build without RDKit
mpirun=${2:-}
. "$(dirname "$0")/common.sh"
check() { # check WHAT COMMAND...: the command must succeed
  local what=$1
  shift
  "$@" >/dev/null 2>message || fail "$what: $(cat message)"
}
refused() { # refused CODE PATTERN ARGUMENTS...: exits with CODE and says PATTERN in one line
  local code=$1 pattern=$2 got=0
  shift 2
  "$twotrack" store build "$@" 2>message >/dev/null || got=$?
  if [ "$got" != "$code" ] || ! grep -q -- "$pattern" message || [ "$(wc -l <message)" != 1 ]; then
    fail "'store build $*' gave $got, not $code and '$pattern': $(cat message)"
  fi
}
build() { # build RANKS OUT ARGUMENTS...
  local ranks=$1 out=$2 launcher=()
  shift 2
  [ "$ranks" = 1 ] || launcher=("$mpirun" -q --oversubscribe -n "$ranks")
  "${launcher[@]}" "$twotrack" store build --out "$out" "$@" >"$out.txt" 2>message ||
    fail "building $out from $*: $(cat message)"
}
same() { # same A B [rejected.tsv too]: the stores hold the same bytes
  local files=(-x rejected.tsv)
  [ "${3:-}" = all ] && files=()
  diff -r "${files[@]}" "$1" "$2" >/dev/null || fail "$1 and $2 differ"
}

needs_rdkit

# ---- 44 molecules, and lines that cannot be used or are there already -------------------------------------

cat >good.smi <<'END'
CCO ethanol
CC(=O)O
c1ccccc1
CC(=O)Nc1ccc(O)cc1	paracetamol	with more columns
CN1C=NC2=C1C(=O)N(C(=O)N2C)C
C[C@H](N)C(=O)O
C[C@@H](N)C(=O)O
C/C=C/C
C/C=C\C
[NH4+].[Cl-]
C[N+](C)(C)CC([O-])=O
[CH2]C
C[Se]C
[13CH4]
OCC1CC1
N#Cc1ccncc1
CC(C)=O
CS(=O)(=O)N
OP(=O)(O)O
FC(F)(F)c1ccccc1
Clc1ccc(Br)cc1
C1CCCCC1
C1CC2CCC1C2
c1ccc2ccccc2c1
C1=CC=CO1
c1cc[nH]c1
CSC
CCN(CC)CC
O=C1CCCN1
OC1CCNCC1
CC#C
C=C=C
CCOC(C)=O
CC(C)(C)O
NCCO
O=Cc1ccco1
Cc1nccs1
CNC(=O)C
OCC(O)CO
CC1COC(=O)O1
C1CSCCN1
Oc1ccccc1F
CCCl
O
END
cat >other.smi <<'END'
# a comment line, and a blank one

OCC
C(C)O again
C1=CC=CC=C1
[H][H]
[H+]
C1CC
hello
CO(C)C
c1cccc1
C*
CCCCCCCCCCCCCC
END
printf '  NC(C)=O\twindows\r\nCC(N)=O\r\n' >>other.smi # the same molecule twice
options=(--max-atoms 12 --valid-fraction 0.2 --shards 5 --conformers 2 --seed 3)

cat good.smi other.smi >all.smi
build 1 one --smiles all.smi "${options[@]}"
check 'the store is sound' "$twotrack" store verify one
[ "$(ls one | tr '\n' ' ')" = "manifest.json rejected.tsv shard-00000.h5 shard-00001.h5 shard-00002.h5 shard-00003.h5 \
shard-00004.h5 shard-00005.h5 " ] || fail "files: $(ls one | tr '\n' ' ')"
"$twotrack" store info --json one >info.json
python3 - info.json <<'END' 2>/dev/null || { command -v python3 >/dev/null && fail "counts: $(cat one.txt)"; }
import json, sys
splits = json.load(open(sys.argv[1]))["splits"]
train, valid = splits["train"], splits["valid"]
assert valid["records"] > 0 and train["records"] + valid["records"] == 44
assert train["conformers"] == 2 * train["records"]
END

# Each refused line with the kind of its reason. CCCC... has 14 atoms, paracetamol 11, caffeine 14.
printf '%s\n' 'CN1C=NC2=C1C(=O)N(C(=O)N2C)C|too many atoms' '[H][H]|no heavy atoms' '[H+]|no heavy atoms' 'C1CC|parse' \
  'hello|parse' 'CO(C)C|chemistry' 'c1cccc1|chemistry' 'C*|element' 'CCCCCCCCCCCCCC|too many atoms' >wanted
tail -n +2 one/rejected.tsv | awk -F'\t' '{ sub(/:.*/, "", $4); print $3 "|" $4 }' >found
diff wanted found >difference || fail "rejected.tsv: $(cat difference)"
grep -q "^all.smi	52	C1CC	parse: " one/rejected.tsv || fail 'rejected.tsv names file and line'
[ "$(head -1 one/rejected.tsv)" = 'file	record	molecule	reason' ] || fail 'heading of rejected.tsv'
grep -q 'read 57 records: 4 are of a molecule that was there, 9 cannot be used' one.txt || fail "duplicates: $(cat one.txt)"

# ---- the same store, whatever the way ------------------------------------------------------------------------

if [ -n "$mpirun" ]; then
  build 2 two --smiles all.smi "${options[@]}"
  same one two all
  build 3 three --smiles all.smi "${options[@]}"
  same one three all
fi
tac all.smi >backwards.smi
build 1 backwards --smiles backwards.smi "${options[@]}"
same one backwards
gzip -k other.smi
build 1 zipped "${options[@]}" --smiles other.smi.gz good.smi
same one zipped
cat good.smi good.smi other.smi >twice.smi
build 1 twice --smiles twice.smi "${options[@]}"
same one twice
build 1 reseeded --smiles all.smi "${options[@]}" --seed 4
cmp -s one/shard-00000.h5 reseeded/shard-00000.h5 && fail 'another seed gives the same shard'

# ---- SDF: coordinates are kept; two geometries of a molecule become two conformers ---------------------------

sdf() { # sdf Z [END]: water, its oxygen at height Z; atoms in another order for a negative Z
  printf 'water\n     test           3D\n\n'
  printf '  3  2  0  0  0  0  0  0  0  0999 V2000\n'
  printf '    0.0000    0.0000%10.4f O   0  0  0  0  0  0  0  0  0  0  0  0\n' "$1"
  printf '    0.9600    0.0000%10.4f H   0  0  0  0  0  0  0  0  0  0  0  0\n' "$1"
  printf '   -0.2400    0.9300%10.4f H   0  0  0  0  0  0  0  0  0  0  0  0\n' "$1"
  printf '  1  2  1  0\n  1  3  1  0\nM  END\n> <note>\nany\n\n$$$$\n'
}
{ sdf 1.5; sdf 2.5; sdf 1.5; printf 'flat\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n$$$$\n'; } >a.sdf
{ sdf 2.5; sdf 1.5; } >b.sdf
for kept in '' --keep-hydrogens; do
  build 1 "sdf$kept" --sdf a.sdf --valid-fraction 0 $kept
  build 1 "sdf-b$kept" b.sdf --valid-fraction 0 $kept
  same "sdf$kept" "sdf-b$kept"
  grep -q '1 molecules (1 to train on, 0 for validation) with 2 conformers in 1 shards' "sdf$kept.txt" ||
    fail "SDF: $(cat "sdf$kept.txt")"
  grep -q "^a.sdf	4	flat	" "sdf$kept/rejected.tsv" || fail "SDF: $(cat "sdf$kept/rejected.tsv")"
done
build 1 mixed --smiles one.smi --sdf a.sdf --valid-fraction 0

# ---- refusals ------------------------------------------------------------------------------------------------

refused 1 'already holds a store' one.smi --out one
same one backwards # untouched
refused 1 'missing.smi' one.smi missing.smi --out nothing
refused 1 'cannot read .: not a file' --smiles . --out nothing
head -c 60 other.smi.gz >cut.smi.gz
refused 1 'cut.smi.gz: .*cut short' one.smi cut.smi.gz --out nothing
{ printf '\xef\xbb\xbf'; cat one.smi; } >marked.smi # as some editors begin a file
build 1 marked marked.smi --valid-fraction 0
build 1 unmarked one.smi --valid-fraction 0
same marked unmarked
printf 'C1CC\nhello\n' >bad.smi
refused 1 'of 2 records read, 2 cannot be used; the first is bad.smi 1: parse' bad.smi --out nothing
: >empty.smi
refused 1 'of 0 records read' empty.smi --out nothing
[ -e nothing ] && fail 'a refused build left a folder'
refused 2 'name a file' --out nothing
refused 2 "'--conformers 0': the value must be a whole number from 1 to 1000" one.smi --conformers 0
refused 2 "'--valid-fraction nan': the value must be 0 to 0.5" one.smi --valid-fraction nan
refused 2 "'--max-atoms 1025': the value must be a whole number from 1 to 1024" one.smi --max-atoms 1025
refused 2 'out DIR' one.smi
refused 2 "no option '--unknown'" one.smi --out nothing --unknown
refused 2 "max-atoms 2000" one.smi --out nothing --max-atoms 2000
refused 2 "valid-fraction 0.9" one.smi --out nothing --valid-fraction 0.9
refused 2 "'--spill 0': the value must be a number of megabytes" one.smi --out nothing --spill 0
refused 2 "needs a value" one.smi --out

# What an interrupted build has left is cleared, and nothing else.
mkdir partial
touch partial/shard-00003.h5.tmp.12 partial/notes.txt partial/shard-1.h5
build 1 partial --smiles all.smi "${options[@]}"
[ -e partial/notes.txt ] && [ -e partial/shard-1.h5 ] || fail "another's files were removed"
rm -f partial/notes.txt partial/shard-1.h5
same one partial all

if [ -n "$mpirun" ]; then # one message, no matter how many ranks
  "$mpirun" -q --oversubscribe -n 2 "$twotrack" store build one.smi missing.smi --out nothing >message 2>&1 &&
    fail 'two ranks accept a file that is not there'
  [ "$(grep -c missing.smi message)" = 1 ] || fail "two ranks said: $(cat message)"
fi

finish
