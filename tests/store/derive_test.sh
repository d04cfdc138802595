#!/bin/bash
# twotrack store merge, split and sample: what the new stores hold, the same bytes for any number of ranks, what is
# refused and how, and what failures leave behind. Made-up molecules: no RDKit is needed.
# usage: derive_test.sh TWOTRACK MAKE_STORE MAKE_KEY_STORE LIST_STORE [MPIRUN]
make_store=$(realpath "$2") make_key_store=$(realpath "$3") list_store=$(realpath "$4")
mpirun=${5:-}
export LC_ALL=C
. "$(dirname "$0")/common.sh"
derive() { # derive RANKS COMMAND ARGUMENTS...: must succeed
  local ranks=$1 launcher=()
  shift
  [ "$ranks" = 1 ] || launcher=("$mpirun" -q --oversubscribe -n "$ranks")
  "${launcher[@]}" "$twotrack" store "$@" >out.txt 2>message || fail "$ranks ranks: store $*: $(cat message)"
}
some=2
on_ranks() { # on_ranks OUT COMMAND ARGUMENTS...: the same bytes on 1, 2 and 3 ranks; in the short form on 1, and on 2 or 3 in turn
  local out=$1 command=$2
  shift 2
  derive 1 "$command" "$@" --out "$out"
  "$twotrack" store verify "$out" >verified || fail "$command: $(grep BROKEN verified)"
  [ -z "$mpirun" ] && return
  some=$((5 - some))
  for ranks in $([ -n "${TT_TEST_LONG:-}" ] && echo 2 3 || echo $some); do
    derive "$ranks" "$command" "$@" --out "$out.$ranks"
    diff -r "$out" "$out.$ranks" >/dev/null || fail "'store $command $*' differs on $ranks ranks"
    rm -rf "$out.$ranks"
  done
}
refused() { # refused CODE PATTERN COMMAND ARGUMENTS...: exits with CODE and says PATTERN in its last line
  local code=$1 pattern=$2 got=0
  shift 2
  "$twotrack" store "$@" 2>message >/dev/null || got=$?
  if [ "$got" != "$code" ] || ! tail -1 message | grep -q -- "$pattern" ||
    [ "$(grep -c '^twotrack' message)" != 1 ]; then
    fail "'store $*' gave $got, not $code and '$pattern': $(cat message)"
  fi
}
same_store() { # the same bytes but for the note of how it was made
  diff -r -x origin.json "$1" "$2" >/dev/null || fail "$1 and $2 differ"
}
list() { # list STORE [SPLIT]: its molecules, sorted; no store that is listed changes later
  local new=$1.list.$BASHPID # of this subshell: two may begin at once
  [ -e "$1.list" ] || { "$list_store" "$1" | sort >"$new" && mv "$new" "$1.list"; }
  grep "^${2:-}" "$1.list"
}
molecules() { # without split and conformers
  cut -d' ' -f2-4 | sort
}
count() { # count STORE SPLIT
  list "$1" "$2" | wc -l
}

# ---- merge -------------------------------------------------------------------------------------------------------

"$make_key_store" a 0 3000 10
"$make_key_store" b 3000 5000 10
"$make_key_store" whole 0 5000 10
on_ranks ab merge a b
same_store ab whole # as if it had been built at once
derive 1 merge b a --out ba
same_store ba whole

# Stores that overlap and hold other molecules for validation: each molecule once, and no leak.
"$make_key_store" c 2000 4500 7
on_ranks ac merge a c --shards 5
[ "$(list ac | wc -l)" = 4500 ] || fail "merged: $(list ac | wc -l) molecules, not 4500"
{ list a; list c; } | molecules | uniq >wanted
list ac | molecules | diff - wanted >/dev/null || fail 'merged: other molecules'
{ list a valid; list c valid; } | molecules | uniq >wanted
list ac valid | molecules | diff - wanted >/dev/null || fail 'merged: the validation is not the union'
[ -z "$(comm -12 <(list ac train | molecules) <(list ac valid | molecules))" ] || fail 'merged: validation leaks'
grep -q '^1000 records joined an earlier one of the same molecule: ' out.txt || fail "merged: $(cat out.txt)"
"$make_key_store" low 0 1500 10 && "$make_key_store" high 1500 3000 10 && "$make_key_store" middle 700 2200 10
on_ranks three merge low high middle
same_store three a # three stores that overlap are one

# Conformers: those of the first store, then the second's that differ, once.
"$make_key_store" other 0 3000 10 other
derive 1 merge a other --out both
join -j 4 <(list a | sort -k4,4) <(list other | sort -k4,4) | awk '{
  split("", seen); text = ""; n = 0
  for (k = 4; k <= NF; k++) if (length($k) == 8 && !($k in seen)) { seen[$k]; text = text " " $k; n++ }
  print $1 " " n text }' | sort >wanted
list both | cut -d' ' -f4- | sort | diff - wanted >/dev/null || fail 'merged: conformers'
[ "$(awk '{ sum += $5 } END { print sum }' <(list both))" -gt "$(awk '{ sum += $5 } END { print sum }' <(list a))" ] ||
  fail 'merged: no conformer was added'

# No molecule gets more conformers than a shard can hold.
"$make_key_store" crowd 0 5 0 crowd && "$make_key_store" throng 0 5 0 throng
derive 1 merge crowd throng --out crowded --json
[ "$(list crowded | cut -d' ' -f5 | sort -n | tail -1)" = 65535 ] || fail "merged: $(list crowded | cut -d' ' -f1-5)"
grep -q '"conformers_beyond_limit": 4465,' out.txt || fail "merged, too many conformers: $(cat out.txt)"
"$twotrack" store verify crowded >verified || fail "merged, too many conformers: $(cat verified)"

# A store that has molecules twice, as builds never make it: merged, each is there once; else records stay as they are.
"$make_key_store" doubles 0 1000 0 doubles
derive 1 merge doubles b --out once
{ list doubles; list b; } | molecules | uniq | diff - <(list once | molecules) >/dev/null || fail 'merged: doubles'
derive 1 split doubles --valid 301 --out apart
[ "$(count apart valid) $(count apart train)" = '301 699' ] || fail 'split: doubles'
derive 1 sample doubles --temperature 1 --count 301 --out some
[ "$(count some train)" = 301 ] || fail 'sample: doubles'

# Two molecules of one key stay two, wherever they come from.
"$make_key_store" twins 0 1000 0 twins
"$make_key_store" more 500 1500 0 twins
on_ranks twinned merge twins more
{ list twins; list more; } | molecules | uniq | diff - <(list twinned | molecules) >/dev/null || fail 'merged: twins'

# ---- split -------------------------------------------------------------------------------------------------------

for store in a twins; do
  before=
  for n in 0 7 500 999; do
    if [ "$store" = a ]; then
      on_ranks "$store-$n" split "$store" --valid $n --seed 3
    else
      derive 1 split "$store" --valid $n --seed 3 --out "$store-$n"
    fi
    [ "$(count "$store-$n" valid)" = $n ] || fail "split $store: $(count "$store-$n" valid) molecules, not $n"
    list "$store-$n" | molecules | diff - <(list "$store" | molecules) >/dev/null || fail "split $store: other molecules"
    [ -z "$before" ] || [ -z "$(comm -23 <(list "$before" valid) <(list "$store-$n" valid))" ] ||
      fail "split: $n molecules do not hold the fewer ones"
    before=$store-$n
  done
done
derive 1 split a --valid 500 --seed 4 --out other-seed
cmp -s <(list other-seed valid) <(list a-500 valid) && fail 'split: the seed changes nothing'
# The draw ignores what was validation before: of 500 of 3000, about 50 are of the 300 that were.
again=$(comm -12 <(list a valid) <(list a-500 valid) | wc -l)
{ [ "$again" -gt 25 ] && [ "$again" -lt 80 ]; } || fail "split: $again of 500 were validation before"
# Parts that were split alike are parts of the whole: a threshold of a hash of the key decides.
derive 1 split whole --valid 800 --seed 3 --out whole-800
inside=$(comm -12 <(list a | molecules) <(list whole-800 valid | molecules) | wc -l)
derive 1 split a --valid "$inside" --seed 3 --out a-inside
list a-inside valid | molecules | diff - <(comm -12 <(list a | molecules) <(list whole-800 valid | molecules)) >/dev/null ||
  fail 'split: a part is not split like the whole'
derive 1 merge a-500 b --out merged-again # what either holds for validation, and nothing else
list merged-again valid | molecules | diff - <({ list a-500 valid; list b valid; } | molecules) >/dev/null ||
  fail 'split, then merged: another validation'

# ---- sample ------------------------------------------------------------------------------------------------------

for store in a twins; do
  before=
  all=$(count "$store" train)
  for n in 1 511 "$((all - 1))" "$all"; do
    if [ "$store" = a ]; then
      on_ranks "$store.$n" sample "$store" --temperature 0.2 --count "$n" --seed 5
    else
      derive 1 sample "$store" --temperature 0.2 --count "$n" --seed 5 --out "$store.$n"
    fi
    [ "$(count "$store.$n" train)" = "$n" ] || fail "sample $store: $(count "$store.$n" train) molecules, not $n"
    cmp -s <(list "$store.$n" valid) <(list "$store" valid) || fail "sample $store: the validation changed"
    [ -z "$(comm -13 <(list "$store" train) <(list "$store.$n" train))" ] || fail "sample $store: other molecules"
    [ -z "$before" ] || [ -z "$(comm -23 <(list "$before" train) <(list "$store.$n" train))" ] ||
      fail "sample: $n molecules do not hold the fewer ones"
    before=$store.$n
  done
done
same_store "a.$(count a train)" a # all of them: the same store
# At a high temperature twelve scaffolds give about as many each, at a low one the largest comes first.
derive 1 sample a --temperature 1000 --count 24 --out hot
[ "$(list hot train | cut -d' ' -f3 | sort -u | wc -l)" -gt 5 ] || fail 'sample: a high temperature'
derive 1 sample a --temperature 1e-6 --count 500 --out cold --json
[ "$(list cold train | cut -d' ' -f3 | sort -u)" = 0000000000000000 ] || fail 'sample: a low temperature'
grep -q '"scaffolds": 1,' out.txt || fail "sample --json: $(cat out.txt)"
grep -q '"digest": "[0-9a-f]\{32\}"' out.txt || fail "sample --json: $(cat out.txt)"

# ---- refusals ----------------------------------------------------------------------------------------------------

"$make_store" unordered 700 50
for command in 'merge a' 'split --valid 5' 'sample --temperature 1 --count 5'; do
  # shellcheck disable=SC2086 # several words
  refused 1 'unordered: record .* is not in the order of the keys' $command unordered --out nothing
done
"$make_key_store" hydrogens 0 100 0 hydrogens
"$make_key_store" seeded 0 100 0 seeded
refused 1 'a and hydrogens differ in hydrogens.*same options' merge a hydrogens --out nothing
refused 1 'a and seeded differ in the seed.*same options' merge a seeded --out nothing
cp -r a copy
refused 1 'a and copy are the same store' merge a b copy --out nothing
refused 1 'already holds a store' split a --valid 1 --out b
refused 1 'missing' merge a missing --out nothing
refused 1 'a has 3000 molecules: with 3000 ' split a --valid 3000 --out nothing
refused 1 'a has 2700 molecules to train on, not the 2701 ' sample a --temperature 1 --count 2701 --out nothing
[ -e nothing ] && fail 'a refused command left a folder'
refused 2 'name two stores' merge a --out nothing
refused 2 'name one store' split a b --valid 1 --out nothing
refused 2 'out DIR' merge a b
refused 2 'valid N' split a --out nothing
refused 2 'temperature T' sample a --count 3 --out nothing
refused 2 'count N' sample a --temperature 1 --out nothing
refused 2 "'--temperature 0': the value must be a number from 1e-6" sample a --temperature 0 --count 3 --out nothing
refused 2 "'--valid -1': the value must be" split a --valid -1 --out nothing
refused 2 "'--shards 0': the value must be" merge a b --shards 0 --out nothing
refused 2 "no option '--valid'" merge a b --valid 3 --out nothing
refused 2 '--count needs a value' sample a --count
for command in merge split sample; do
  "$twotrack" store $command --help | grep -q '^usage: ' || fail "$command --help"
done

# ---- failures ----------------------------------------------------------------------------------------------------

# A damaged input is named, ends the job with one message, and leaves no store; afterwards it goes as if nothing was.
size=$(stat -c %s copy/shard-00003.h5)
for place in $((size / 2)) 16500 $((size - 10)) 100; do
  cp a/shard-00003.h5 copy/
  printf '\xa5' | dd of=copy/shard-00003.h5 bs=1 seek="$place" conv=notrunc 2>/dev/null
  cmp -s a/shard-00003.h5 copy/shard-00003.h5 && printf '\x5a' | dd of=copy/shard-00003.h5 bs=1 seek="$place" conv=notrunc 2>/dev/null
  refused 1 'copy/shard-00003.h5' merge b copy --out broken
  [ -e broken/manifest.json ] && fail "a store of damaged inputs, byte $place"
  if [ -n "$mpirun" ] && { [ "$place" = $((size / 2)) ] || [ -n "${TT_TEST_LONG:-}" ]; }; then
    "$mpirun" -q --oversubscribe -n 3 "$twotrack" store merge b copy --out broken >message 2>&1 && fail 'damage is accepted'
    [ "$(grep -c 'copy/shard-00003.h5' message)" = 1 ] || fail "three ranks said of byte $place: $(cat message)"
    [ -e broken/manifest.json ] && fail "a store of damaged inputs on three ranks, byte $place"
  fi
done
cp a/shard-00003.h5 copy/
truncate -s -1 copy/shard-00001.h5
refused 1 'copy/shard-00001.h5' split copy --valid 3 --out broken
rm copy/shard-00001.h5
refused 1 'copy/shard-00001.h5' sample copy --temperature 1 --count 3 --out broken
derive 1 merge a b --out broken
same_store broken ab

# A full disk.
if [ -n "$mpirun" ]; then # whose own files must be outside of the limit: its shared memory, too
  for ranks in 1 2; do
    OMPI_MCA_btl=self,tcp "$mpirun" -q --oversubscribe -n $ranks bash -c "ulimit -f 90; exec '$twotrack' store merge a b --out full" >out.txt 2>message &&
      fail 'a full disk is no failure'
    grep -q '^twotrack: error: .*full/shard-.*: File too large' message || fail "a full disk: $(cat message)"
  done
fi
[ -e full/manifest.json ] && fail 'a full disk leaves a store'
derive 1 merge a b --out full
same_store full ab

# What an interrupted command has left is cleared; an unfinished build, and what is somebody else's, is not.
mkdir left && cp ab/origin.json ab/shard-00002.h5 left && cp ab/shard-00000.h5 left/shard-00077.h5 &&
  touch left/notes.txt left/shard-00003.h5.tmp.12
derive 1 merge a b --out left
[ -e left/notes.txt ] || fail "another's file was removed"
rm left/notes.txt
diff -r left ab >/dev/null || fail 'leftovers'
mkdir built && touch built/shard-00000.h5
refused 1 'built holds an unfinished build' merge a b --out built
[ -e built/shard-00000.h5 ] || fail 'an unfinished build was cleared'
if command -v flock >/dev/null; then
  mkdir busy
  flock busy sleep 30 &
  holder=$!
  sleep 0.5
  refused 1 'another job is writing to busy' merge a b --out busy
  kill "$holder" 2>/dev/null
fi

# ---- a path that is no UTF-8 text ----------------------------------------------------------------------------------

cafe=$(printf 'caf\351')
cp -r a "$cafe"
derive 1 split "$cafe" --valid 5 --out "$cafe-2" --json
for json in out.txt "$cafe-2/origin.json"; do
  python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))' "$json" || fail "$json is no JSON"
  grep -q 'caf..xE9' "$json" || fail "$json does not name the store: $(cat "$json")"
done
rm -r "$cafe" "$cafe-2"

finish
