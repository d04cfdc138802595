#!/bin/bash
# twotrack store build stopped by SIGKILL at random moments, by a full disk, by a damaged file of its own; gone on with by other
# numbers of ranks: the same bytes as undisturbed. What is refused then. TT_TEST_SEED: which moments; TT_TEST_LONG: more of them.
# usage: store_build_resume_test.sh TWOTRACK [MPIRUN]     exit code 77: a build without RDKit
export OMPI_MCA_btl=self,tcp                                     # whose memory is no file, for the limits on files
mpirun=${2:-}
. "$(dirname "$0")/common.sh"
needs_rdkit

# 72 molecules; many more records, some of which cannot be used, in six files, so that both passes take a while
heads=(C CC OCC NCC FCC COC C=C 'CC(C)' 'CC(=O)' 'N#CC' 'C1CC1' 'c1ccccc1')
tails=(O N F OC 'C#N' 'c1ccco1')
for a in "${heads[@]}"; do for b in "${tails[@]}"; do echo "$a$b"; echo "$a$b again"; done; done >base.smi
for k in 1 2 3 4; do
  { cat base.smi; echo 'C1CC'; tac base.smi; echo "hello $k"; echo; echo '# nothing'; cat base.smi base.smi base.smi; } >"in-$k.smi"
done
gzip in-4.smi
sdf() { # sdf Z: water, its oxygen at height Z
  printf 'water\n     test           3D\n\n'
  printf '  3  2  0  0  0  0  0  0  0  0999 V2000\n'
  printf '    0.0000    0.0000%10.4f O   0  0  0  0  0  0  0  0  0  0  0  0\n' "$1"
  printf '    0.9600    0.0000%10.4f H   0  0  0  0  0  0  0  0  0  0  0  0\n' "$1"
  printf '   -0.2400    0.9300%10.4f H   0  0  0  0  0  0  0  0  0  0  0  0\n' "$1"
  printf '  1  2  1  0\n  1  3  1  0\nM  END\n> <note>\nany\n\n$$$$\n'
}
for z in 2.5 1.5 3.5; do for k in $(seq 100); do sdf "$z"; done; done >water.sdf
inputs=(in-1.smi in-2.smi in-3.smi in-4.smi.gz water.sdf)
options=(--valid-fraction 0.1 --shards 24 --seed 5 --spill 0.02)

# start RANKS OUT [ARGUMENTS...]: in the background, in a session of its own; its id goes to $session. `slowly` may be set to give way to
# this script, which is to stop it at a certain place.
slowly=()
start() {
  local ranks=$1 out=$2 launcher=()
  shift 2
  [ "$ranks" = 1 ] || launcher=("$mpirun" -q --oversubscribe -n "$ranks")
  setsid timeout -k 5 "${TT_TEST_PATIENCE:-120}" "${slowly[@]}" "${launcher[@]}" "$twotrack" store build --out "$out" "${inputs[@]}" "${options[@]}" "$@" >"$(basename "$out").log" 2>&1 &
  session=$!
}
build() { # the same, to its end
  start "$@"
  wait "$session"
}
kill_all() { # kills every process of the session
  pkill -KILL -s "$session" 2>/dev/null
  wait "$session" 2>/dev/null
  while pgrep -s "$session" >/dev/null; do sleep 0.05; done
}
same() {
  diff -r "$1" "$2" >difference || fail "$3: $(head -c 600 difference)"
}
refused() { # refused PATTERN OUT ARGUMENTS...: one line that says PATTERN, and nothing is changed
  local pattern=$1 out=$2
  shift 2
  local before=$(cd "$out" && find . -type f -exec cksum {} + | sort)
  "$twotrack" store build --out "$out" "$@" >log 2>&1 && fail "accepted: $*"
  grep -q -- "$pattern" log && [ "$(wc -l <log)" = 1 ] || fail "'$*' said not '$pattern' but: $(cat log)"
  [ "$before" = "$(cd "$out" && find . -type f -exec cksum {} + | sort)" ] || fail "$*: files were changed"
}
rank_counts=(1)
[ -n "$mpirun" ] && rank_counts=(1 2 3 4)
RANDOM=${TT_TEST_SEED:-1}
some_ranks() { ranks=${rank_counts[RANDOM % ${#rank_counts[@]}]}; }

build 1 whole || fail "the undisturbed build: $(cat whole.log)"
[ -e whole/building ] && fail 'DIR/building stayed'
"$twotrack" store verify whole >log 2>&1 || fail "the undisturbed store: $(cat log)"
grep -q 'read 3188 records: .*8 cannot be used' whole.log || fail "the undisturbed build: $(cat whole.log)"
options[7]=100 # all in one spill a rank
build 1 unspilled || fail "without spills: $(cat unspilled.log)"
same whole unspilled 'another size of spills'
options[7]=0.02

# ---- killed at random moments: all of the job, or one process of it -----------------------------------------

count() { find "$1/building" -name "$2" 2>/dev/null | wc -l; }

# Waits for a random moment: at times soon after the start, else after some more spills, or after some more shards; and a little longer. Not for
# a time alone: machines differ, and other tests may run beside this one.
random_moment() {
  local what=$((RANDOM % 5)) more=$((1 + RANDOM % 8)) name before
  [ $((what % 2)) = 1 ] && name='spill-*-??????' || name='shard-*.note'
  before=$(count "$1" "$name")
  [ "$what" = 0 ] && sleep "0.$(printf %03d $((RANDOM % 600)))"
  while [ "$what" != 0 ] && kill -0 "$session" 2>/dev/null && [ "$(count "$1" "$name")" -lt $((before + more)) ]; do sleep 0.01; done
  sleep "0.0$(printf %02d $((RANDOM % 80)))"
}

kills=2
[ -n "${TT_TEST_LONG:-}" ] && kills=60
went_on=0
for k in $(seq "$kills"); do
  out=killed-$k
  for attempt in 1 2 3; do
    some_ranks
    start "$ranks" "$out"
    random_moment "$out"
    if [ $((RANDOM % 3)) = 0 ]; then # one rank of them; the launcher ends the others
      one=$(pgrep -s "$session" -f -- "store build --out $out" | shuf -n 1 --random-source=<(yes $RANDOM))
      [ -n "$one" ] && kill -KILL "$one" 2>/dev/null
      wait "$session" 2>/dev/null
    fi
    kill_all
    if [ -e "$out/manifest.json" ] && [ ! -e "$out/building" ]; then break; fi
  done
  some_ranks
  if [ ! -e "$out/manifest.json" ] || [ -e "$out/building" ]; then
    build "$ranks" "$out" || fail "kill $k, going on with $ranks ranks: $(cat "$out.log")"
  fi
  grep -q 'went on with a build that was stopped' "$out.log" && went_on=$((went_on + 1))
  same whole "$out" "kill $k"
  rm -rf "$out"
done
[ "$went_on" -ge $((kills / 2)) ] || fail "only $went_on of $kills builds were gone on with: nothing is shown"

# ---- a build that is stopped in the second pass, for what follows -------------------------------------------

start 1 half
until [ -e half/building/shard-00007.note ]; do
  sleep 0.02
  kill -0 "$session" 2>/dev/null || { fail "no note came: $(cat half.log)"; break; }
done
kill_all
notes=(half/building/shard-*.note)
[ "${#notes[@]}" -ge 8 ] && [ ! -e half/manifest.json ] || fail "not stopped in the second pass: $(ls half half/building)"

# finished shards are kept, not made again; one without its note, or cut short, is
cp -r half kept
first=$(stat -c %i kept/shard-00003.h5) # its inode: a new file would have another
truncate -s 100 kept/shard-00004.h5
rm kept/building/shard-00005.note
touch kept/shard-00023.h5 kept/shard-00099.h5 kept/shard-00006.h5.tmp.1 kept/building/shard-00006.note.tmp.1
build 1 kept || fail "going on: $(cat kept.log)"
same whole kept 'shards that are cut short, or without a note'
[ "$first" = "$(stat -c %i kept/shard-00003.h5)" ] || fail 'a finished shard was made again'
grep -q "3188 records and $((${#notes[@]} - 2)) shards were there" kept.log || fail "what was there: $(cat kept.log)"

# a spill with a flipped bit is found, and its records are read again; the same for what lists them, and for a note
for place in 40 300 5000 end; do
  rm -rf bent && cp -r half bent
  victim=$(find bent/building -name 'spill-*' | sort | head -1)
  [ "$place" = end ] && place=$(($(stat -c %s "$victim") - 20))
  printf '\377' | dd of="$victim" bs=1 seek="$place" conv=notrunc 2>/dev/null
  if ! build 1 bent; then
    grep -q "spill-.* is damaged.*run the same command again" bent.log || fail "a damaged spill: $(cat bent.log)"
    build 1 bent || fail "after a damaged spill at $place: $(cat bent.log)"
  fi
  same whole bent "a spill damaged at $place"
done
rm -rf bent && cp -r half bent
rm "$(find bent/building -name 'spill-*' | sort | tail -1)"
printf '\377' | dd of=bent/building/shard-00002.note bs=1 seek=100 conv=notrunc 2>/dev/null
build 1 bent || fail "a missing spill and a damaged note: $(cat bent.log)"
same whole bent 'a missing spill and a damaged note'
rm -rf bent && cp -r half bent
echo '{"count": 1, "spills": ["spill-0001-00000-000000"' >bent/building/found.json
build 1 bent || fail "a torn list of spills: $(cat bent.log)"
same whole bent 'a torn list of spills'
# a late rank of a killed job writes a spill of records that others have
rm -rf bent && cp -r half bent
cp "$(find bent/building -name 'spill-*' | sort | head -1)" bent/building/spill-0001-00099-000000
rm bent/building/found.json
build 1 bent || fail "a spill twice: $(cat bent.log)"
same whole bent 'a spill twice'

# ---- stopped between the manifest and the end ------------------------------------------------------------------

cp -r whole late && cp -r half/building late/building
build 1 late || fail "a store that is complete: $(cat late.log)"
grep -q 'was complete already' late.log || fail "a store that is complete: $(cat late.log)"
same whole late 'a store that is complete'
cp -r half/building late/building
"$twotrack" store build one.smi --out late >log 2>&1 && fail 'a store was overwritten'
grep -q 'already holds a store' log || fail "another build over a store: $(cat log)"
same whole late 'another build over a store'

# ---- other inputs and options are refused by name --------------------------------------------------------------

refused '--seed was 5, is now 6' half "${inputs[@]}" "${options[@]}" --seed 6
refused '--valid-fraction was 0.1.*, is now 0.25' half "${inputs[@]}" "${options[@]}" --valid-fraction 0.25
refused '--shards was 24, is now 0' half "${inputs[@]}" --valid-fraction 0.1 --seed 5
refused '--conformers was 1, is now 2' half "${inputs[@]}" "${options[@]}" --conformers 2
refused '--keep-hydrogens was no, is now yes' half "${inputs[@]}" "${options[@]}" --keep-hydrogens
refused '--max-atoms was 256, is now 100' half "${inputs[@]}" "${options[@]}" --max-atoms 100
refused 'input in-3.smi was .*, is now not given' half in-1.smi in-2.smi in-4.smi.gz water.sdf one.smi "${options[@]}"
refused 'the number of inputs was 5, is now 6' half "${inputs[@]}" one.smi "${options[@]}"
cp -p in-2.smi aside
echo CCCCCCCC >>in-2.smi
refused 'input in-2.smi was SMILES of .* bytes, changed at .*, is now .*or remove the folder to begin anew' half "${inputs[@]}" "${options[@]}"
cp -p aside in-2.smi
touch -d '1 hour ago' in-2.smi
refused 'input in-2.smi was .* bytes, changed at' half "${inputs[@]}" "${options[@]}"
cp -p aside in-2.smi
printf 'x' >half/building/build.json.kept
cp half/building/build.json aside.json
echo '{' >half/building/build.json
refused 'build.json is damaged; remove half to begin the build anew' half "${inputs[@]}" "${options[@]}"
cp aside.json half/building/build.json
rm half/building/build.json.kept

# shards that nobody knows the build of are somebody's: nothing is touched
cp -r half lost && rm -r lost/building
[ -n "$(ls lost)" ] || fail 'no shard of the unfinished build to lose'
refused 'lost holds shard-.* but neither a manifest nor an unfinished build' lost one.smi --valid-fraction 0

# ---- an input that is changed while it is read -----------------------------------------------------------------

# begun for the first time, or gone on with after spills were lost: shards that are there go too, for they may be of either version
slowly=(nice -n 19)
# stopped_in_first_pass ATTEMPT: begins, and stops the reader after its first spill. False: this script came too late for that, and nothing runs.
stopped_in_first_pass() {
  rm -rf changed
  [ "$1" = 0002 ] && cp -r half changed && rm changed/building/found.json $(find changed/building -name 'spill-*' | tail -n +3)
  start 1 changed
  until [ -e "changed/building/spill-$1-00000-000001" ]; do
    sleep 0.01
    kill -0 "$session" 2>/dev/null || return 1
  done
  reader=$(pgrep -s "$session" -f -- '--out changed' | tail -1)
  if [ -n "$reader" ] && kill -STOP "$reader" && sleep 0.05 && [ ! -e changed/building/found.json ]; then return 0; fi
  kill_all
  return 1
}
for attempt in 0001 0002; do
  tries=1
  until stopped_in_first_pass $attempt; do
    ((tries++ < 20)) || { fail "never stopped in the first pass: $(cat changed.log)"; break; }
  done
  cp -p in-2.smi aside
  echo CCCCCCCC >>in-2.smi
  kill -CONT "$reader"
  wait "$session" && fail 'an input was changed while it was read, and nobody saw'
  grep -q 'an input was changed while it was read: input in-2.smi was .* bytes, changed at .*, is now .*begin anew' changed.log ||
    fail "an input that is changed: $(cat changed.log)"
  [ -e changed ] && [ -n "$(ls -A changed)" ] && fail "an input that is changed: left is $(ls changed)"
  cp -p aside in-2.smi
done
slowly=()
build 1 changed || fail "after an input was changed: $(cat changed.log)"
same whole changed 'after an input was changed'

# ---- two builds at once ----------------------------------------------------------------------------------------

start 1 both
until [ -e both/building/build.json ]; do sleep 0.02; done
kill -STOP $(pgrep -s "$session" -f -- '--out both' | tail -1)
refused 'another job is writing to both' both "${inputs[@]}" "${options[@]}"
kill -CONT $(pgrep -s "$session" -f -- '--out both' | tail -1)
wait "$session" || fail "the first of two builds: $(cat both.log)"
same whole both 'two builds at once'

# ---- a full disk: in the first pass, in the second -----------------------------------------------------------

# A limit on the size of files stands for it: 8 KiB are too little for a spill, 16 KiB for a shard. Only on the ranks: the launcher
# has files of its own.
limits=()
[ -n "$mpirun" ] && limits=('8 spill 2' '16 shard 1')
[ -n "$mpirun" ] && [ -n "${TT_TEST_LONG:-}" ] && limits+=('8 spill 1' '16 shard 2')
for limit in "${limits[@]}"; do
  read -r kib what ranks <<<"$limit"
  out=full-$kib-$what-$ranks
  timeout -k 5 "${TT_TEST_PATIENCE:-120}" "$mpirun" -q --oversubscribe -n "$ranks" bash -c "ulimit -f $kib; exec \"\$@\"" - "$twotrack" store build \
    --out "$out" "${inputs[@]}" "${options[@]}" --spill 0.001 >"$out.log" 2>&1 && fail "a limit of $kib KiB was not met"
  grep -q "cannot write $out/.*$what-.*run the same command again to go on" "$out.log" || fail "a full disk: $(cat "$out.log")"
  [ "$what" = shard ] && [ "$ranks" = 1 ] && { [ -e "$out/building/found.json" ] || fail 'the first pass was lost'; }
  [ "$ranks" = 1 ] && find "$out" -name '*.tmp.*' 2>/dev/null | grep -q . && fail 'half a file stayed on a full disk'
  build "$ranks" "$out" || fail "after a full disk: $(cat "$out.log")"
  same whole "$out" "after a full disk ($kib KiB, $ranks ranks)"
done

# A disk that is really full, where one may be made: it is made larger, again and again, until the store fits.
mkdir disk
if mount -t tmpfs -o size=64k tmpfs disk 2>/dev/null; then
  trap 'umount "$work/disk"; rm -rf "$work"' EXIT
  for size in 64 $([ -n "${TT_TEST_LONG:-}" ] && echo 128 256 512 1024) 64000; do
    mount -o "remount,size=${size}k" disk
    some_ranks
    build "$ranks" disk/store && break
    mv store.log message
    grep -q "cannot .*disk/store.*No space left on device.*run the same command again to go on" message ||
      fail "a disk of $size KiB: $(cat message)"
  done
  [ "$size" -gt 64 ] || fail 'the disk was never full'
  same whole disk/store 'on a disk that was full'
fi

finish
