#!/bin/sh
# benchmarks/peptides: RDKit must count the atoms that were asked for, find no two equal molecules and refuse none. $1: twotrack, $2: peptides
twotrack=$1 peptides=$2
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

"$peptides" --atoms 21:23 --count 300 >"$folder/a.smi" && "$peptides" --atoms 21:23 --count 300 >"$folder/again.smi" || exit 1
cmp "$folder/a.smi" "$folder/again.smi" || exit 1
for lines in "$(wc -l <"$folder/a.smi")" "$(cut -f 1 "$folder/a.smi" | sort -u | wc -l)"; do
  [ "$lines" -eq 300 ] || { echo "$lines molecules instead of 300"; exit 1; }
done
for amino_acid in A C D E F G H I K L M N P Q R S T V W Y; do
  cut -f 2 "$folder/a.smi" | grep -q $amino_acid || { echo "no $amino_acid among the sequences"; exit 1; }
done
if "$peptides" --atoms 1:3 --count 2 2>"$folder/error" || ! grep -q 'widen --atoms' "$folder/error"; then
  echo "peptides of 1 to 3 atoms were promised" && exit 1
fi

head -30 "$folder/a.smi" >"$folder/few.smi"
"$twotrack" store build --smiles "$folder/few.smi" --valid-fraction 0 --out "$folder/s" >"$folder/out" 2>&1 || {
  cat "$folder/out"
  grep -q 'has no RDKit' "$folder/out" && exit 77
  exit 1
}
"$twotrack" store info "$folder/s" | grep -q '^train  *30 .* 21  *[0-9.]*  *23$' && exit 0
"$twotrack" store info "$folder/s"
exit 1
