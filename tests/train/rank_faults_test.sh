#!/usr/bin/env bash
# Failures that ranks do not share: the job ends within seconds, with one message that names the rank, and nothing is lost.
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 200 12 || exit 1
cfg=$here/small.cfg
common=(train "$cfg" --store "$work/store") # what both ranks are given

# two FIRST SECOND: rank 0 and rank 1 with these programs, the rest of the line a shell word each
two() { timeout -k 5 "${TT_TEST_PATIENCE:-60}" "$mpirun" -q --oversubscribe -n 1 $1 : -n 1 $2 > "$work/stdout" 2> "$work/stderr"; }

# differ NAME PATTERN FIRST SECOND: refused, nobody waits, nothing is written
differ() {
  two "$3" "$4"
  local code=$?
  [ "$code" -ne 0 ] && [ "$code" -ne 124 ] && [ "$code" -ne 137 ] || fail "$1: exit code $code"
  [ "$(grep -c 'twotrack: error' "$work/stderr")" = 1 ] || fail "$1: not one message: $(cat "$work/stderr")"
  grep -Eq -- "rank 1: .*($2)" "$work/stderr" || fail "$1: no 'rank 1: $2' in: $(cat "$work/stderr")"
  [ ! -e "$work/new" ] || { fail "$1: left a run folder"; rm -rf "$work/new"; }
}

# ---- ranks that were started differently ----
run="$twotrack ${common[*]} --out $work/new"
grep -q avx2 /proc/cpuinfo && differ kernels "computes with 'cpu, .*', rank 0 with 'cpu, base'.*TWOTRACK_CPU" "env TWOTRACK_CPU=base $run" "$run"
differ no-such-kernels "TWOTRACK_CPU is 'x'" "$run" "env TWOTRACK_CPU=x $run"
differ configuration "'model.dropout = 0.2', rank 0 with 'model.dropout = 0.1'" "$run" "$run --set model.dropout=0.2"
[ -n "${TT_TEST_LONG:-}" ] && differ steps "'train.steps = 13', rank 0 with 'train.steps = 12'" "$run" "$run --set train.steps=13"
differ leaves "'train.micro_batches = 4', rank 0 with 'train.micro_batches = 8'" "$run" "$run --set train.micro_batches=4"
[ -n "${TT_TEST_LONG:-}" ] && differ tensor "'parallel.tensor = 2', rank 0 with 'parallel.tensor = 1'" "$run" "$run --set parallel.tensor=2"
differ resume "'--resume = yes', rank 0 with '--resume = no'" "$run" "$run --resume"
differ dry-run "'--dry-run = no', rank 0 with '--dry-run = yes'" "$run --dry-run" "$run"
differ init-from "'--init-from = $work/none', rank 0 with '--init-from = '" "$run" "$run --init-from $work/none"
differ out "'--out = $work/other', rank 0 with '--out = $work/new'" "$run" "$twotrack ${common[*]} --out $work/other"
differ typo "'--rezume' is no option" "$run" "$run --rezume"
differ help "'command = train --help', rank 0 with 'command = train'" "$run" "$run --help"
differ no-config "none.cfg" "$run" "$twotrack train $work/none.cfg --store $work/store --out $work/new"
differ command "'command = bench step', rank 0 with 'command = train'" "$run" "$twotrack bench step $cfg --store $work/store"
bench="$twotrack bench step $cfg --store $work/store --warmup 0 --steps"
differ bench-steps "'--steps = 2', rank 0 with '--steps = 1'" "$bench 1" "$bench 2"
build="$twotrack store build $work/molecules.smi --out $work/new --seed"
differ build "'argument 5 = 2', rank 0 with 'argument 5 = 1'" "$build 1" "$build 2"

# ---- ranks that see different stores ----
train 2 "$work/whole" > "$work/log" 2>&1 || { fail "the undisturbed run: $(tail -3 "$work/log")"; finish; }
cp -r "$work/store" "$work/copy"
copy() { echo "$twotrack train $cfg --store $work/copy --out $1"; } # rank 1 has a copy of its own
two "$twotrack ${common[*]} --out $work/copied" "$(copy "$work/copied")" || fail "a copy of the store: $(cat "$work/stderr")"
same_curve "$work/whole" "$work/copied"

rm "$work/copy/shard-00001.h5"
differ missing-shard "copy/shard-00001.h5" "$run" "$(copy "$work/new")"
differ missing-shard-dry "copy/shard-00001.h5" "$run --dry-run" "$(copy "$work/new") --dry-run"
cp "$work/store/shard-00001.h5" "$work/copy/"; truncate -s -1 "$work/copy/shard-00004.h5"
differ cut-shard "copy/shard-00004.h5 has .* bytes instead of" "$run" "$(copy "$work/new")"
rm -r "$work/copy"
differ missing-store "$work/copy" "$run" "$(copy "$work/new")"
"$make_store" "$work/copy" 5001 200 12
two "$run" "$(copy "$work/new")" && fail "two stores in one run"
grep -q "not the same on ranks 0 and 1" "$work/stderr" || fail "two stores: $(cat "$work/stderr")"

# shards that are damaged where only rank 1 reads them
rm -r "$work/copy"; cp -r "$work/store" "$work/copy"
for s in 0 1 2 3 4; do spoil "$work/copy/shard-0000$s.h5"; done
two "$twotrack ${common[*]} --out $work/damaged" "$(copy "$work/damaged")" && fail "a damaged shard on rank 1 was not seen"
[ "$(grep -c 'twotrack: error' "$work/stderr")" = 1 ] && grep -q "rank 1: .*copy/shard-0000" "$work/stderr" || fail "damaged shard: $(cat "$work/stderr")"
train 2 "$work/damaged" --resume > "$work/log" 2>&1 || fail "after a damaged shard: $(tail -3 "$work/log")"
same_curve "$work/whole" "$work/damaged"

# ---- a full disk at rank 1 (a limit on the size of files) ----
for writer in direct collective; do
  out=$work/full-$writer
  limited="$twotrack ${common[*]} --out $out --resume --set train.checkpoint_writer=$writer"
  echo "ulimit -f 100; exec $limited" > "$work/limited.sh"
  export OMPI_MCA_btl=self,tcp # no files for shared memory
  two "$limited" "bash $work/limited.sh"
  code=$?
  unset OMPI_MCA_btl
  grep -q "this build's HDF5 cannot write in parallel" "$work/stderr" && continue
  [ "$code" -ne 0 ] && [ "$code" -ne 124 ] && [ "$(grep -c 'twotrack: error' "$work/stderr")" = 1 ] &&
    grep -q "rank 1: .*$out/checkpoints/" "$work/stderr" || fail "full disk, $writer, code $code: $(cat "$work/stderr")"
  ls "$out"/checkpoints/*.h5 > /dev/null 2>&1 && fail "full disk, $writer: left a checkpoint"
  train 2 "$out" --resume > "$work/log" 2>&1 || fail "after a full disk, $writer: $(tail -3 "$work/log")"
  same_curve "$work/whole" "$out"
done

# ---- a fault in one rank while training (inject.c) ----
inject() { TT_TEST_FAULT=$1 timeout -k 5 "${TT_TEST_PATIENCE:-60}" "$mpirun" -q --oversubscribe -n "$2" "$(dirname "$make_store")/inject" "${common[@]}" \
  --out "$out" --set train.replica_check_every=3 "${@:3}" > "$work/stdout" 2> "$work/stderr"; }

# injected NAME PATTERN STEP RANK: it failed with this message, noted so, and what there was before it is whole
injected() {
  [ "$(grep -c 'twotrack: error' "$work/stderr")" = 1 ] && grep -Eq "twotrack: error: $2" "$work/stderr" || fail "$1: $(cat "$work/stderr")"
  grep -Eq "^\{\"checkpoint\":0,\"step\":$3,\"rank\":$4,\"message\":\"$2" "$out/failures.jsonl" || fail "$1: noted $(cat "$out/failures.jsonl")"
  train 2 "$out" --resume > "$work/log" 2>&1 || fail "$1, resumed: $(tail -3 "$work/log")"
  same_curve "$work/whole" "$out"
}
out=$work/flip-2
inject "flip 1 6" 2 && fail "a turned bit on rank 1 of 2 was not seen"
injected flip-2 "after update 6 the copies of [a-z0-9_.]+ on ranks 0 \\(.*\\), 1 \\(.*\\) are not the same" 6 0
out=$work/flip-4
inject "flip 2 9" 4 && fail "a turned bit on rank 2 of 4 was not seen"
injected flip-4 "after update 9 the copy of [a-z0-9_.]+ on rank 2 \\(.*\\) is not the one of the 3 other ranks" 9 0
out=$work/flip-never
inject "flip 1 6" 2 --set train.replica_check_every=0 || fail "replica_check_every=0 compares: $(cat "$work/stderr")"
out=$work/abort
inject "abort 1 6" 2 && fail "a rank gave up and the job went on"
injected abort "rank 1: a fault for a test" 6 1

# ---- a rank that dies ----
for rank in 0 1; do
  out=$work/dies-$rank
  timeout -k 5 "${TT_TEST_PATIENCE:-100}" "$mpirun" --oversubscribe -n 2 "$twotrack" "${common[@]}" --out "$out" --set train.steps=2000 > "$work/log" 2>&1 &
  job=$!
  for _ in $(seq 600); do ls "$out"/checkpoints/*.h5 > /dev/null 2>&1 && break; sleep 0.1; done
  victim=
  for pid in $(pgrep -f -- "$twotrack train .*--out $out"); do
    tr '\0' '\n' < "/proc/$pid/environ" 2> /dev/null | grep -qx "OMPI_COMM_WORLD_RANK=$rank" && victim=$pid
  done
  SECONDS=0
  [ -n "$victim" ] && kill -KILL "$victim" || fail "rank $rank: no process to kill: $(tail -3 "$work/log")"
  wait "$job"
  code=$?
  [ "$code" -ne 0 ] && [ "$code" -ne 124 ] && [ "$SECONDS" -lt 30 ] || fail "rank $rank died: code $code after $SECONDS s"
  grep -q "rank $rank.* signal 9" "$work/log" || fail "rank $rank died: mpirun does not say so: $(tail -5 "$work/log")"
  pgrep -f -- "$twotrack train .*--out $out" > /dev/null && fail "rank $rank died: others are left"
  [ ! -e "$out/failures.jsonl" ] || fail "rank $rank died: noted as a failure of the program: $(cat "$out/failures.jsonl")"
  last=$(ls "$out"/checkpoints/*.h5 | tail -1)
  timeout -k 5 "${TT_TEST_PATIENCE:-60}" "$twotrack" checkpoint verify "$last" > "$work/log" 2>&1 || fail "rank $rank died: $(cat "$work/log")"
  train 2 "$out" --resume --dry-run --set train.steps=2000 > "$work/log" 2>&1 || fail "after rank $rank died: $(tail -3 "$work/log")"
done
finish
