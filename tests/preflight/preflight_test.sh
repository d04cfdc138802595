#!/usr/bin/env bash
# Each kind of bad node is named within seconds, with exit code 1, and nothing is left behind.
# The cases wait against limits of a few seconds, and a disk busy with other tests can be silent for longer.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
source "$(dirname "$0")/../train/common.sh"
broken=$4 driver=$(dirname "$5")
"$make_store" "$work/store" 5000 200 12 || exit 1
cp -r "$work/store" "$work/copy"
"$make_store" "$work/other" 5001 200 12 || exit 1
: > "$work/file"

# Everything here waits more than it computes, so the cases run beside each other: each prints into a file of its own.
# begin NAME: what follows is a case; its run folder is $run, its output goes to $out
begin() { name=$1 run=$work/$1/run out=$work/$1/out; mkdir -p "$work/$1"; }

# nodes FIRST SECOND: two nodes of two ranks; the arguments of each (--out is added), with variables before them
nodes() {
  local first second
  read -ra first <<< "$1"; read -ra second <<< "$2"
  timeout -k 5 "${TT_TEST_PATIENCE:-90}" "$mpirun" -q --oversubscribe -n 2 -x SLURMD_NODENAME=n1 "${first[@]}" : \
    -n 2 -x SLURMD_NODENAME=n2 "${second[@]}" > "$out" 2>&1
  echo $? > "$out.code"
}

check="$twotrack preflight --store $work/store" # all of a command but --out RUN
good() { echo "$check --out $run"; }
bad() { echo "-x TT_BREAK=$1 $broken preflight --store $work/store --out $run"; }

# names PATTERN...: it failed, these lines were printed, and these alone of its kind
names() {
  local code; code=$(cat "$out.code")
  # mpirun 4.1 itself may end with signal 11 when it kills a process that is stopped
  [ "$code" = 1 ] || [ "$code" = 139 ] || fail "$name: exit code $code: $(cat "$out")"
  [ "$(grep -c 'twotrack: error' "$out")" = $# ] || fail "$name: not $# messages: $(cat "$out")"
  for pattern; do grep -Eq -- "twotrack: error: preflight: $pattern" "$out" || fail "$name: no '$pattern' in: $(cat "$out")"; done
  left
}
passes() { [ "$(cat "$out.code")" = 0 ] && grep -q '^preflight: all is well' "$out" || fail "$name: $(cat "$out")"; left; }
left() { [ ! -d "$run" ] || [ -z "$(ls -A "$run")" ] || fail "$name: left $(ls -A "$run")"; }

# ---- ranks that hang, are stopped or do not come: these wait for time-outs
begin never
nodes "$(good) --timeout 4" "sleep 100" &
begin stopped-before # rank 0 itself, before it could do anything
echo 'kill -STOP $$; exit 1' > "$work/stopped.sh" # mpirun lets it go on when it ends the job
nodes "bash $work/stopped.sh" "$(good) --timeout 5" &
begin stopped-init
nodes "$(good)" "$(bad init)" &
begin stopped-later
nodes "$(good)" "$(bad started)" &
begin stopped-first # those that all others look at
nodes "$(bad started)" "$(good)" &
begin stalled
nodes "$(good) --timeout 5" "$(bad read) --timeout 5" &
begin stalled-and-missing # both are told
nodes "$check-none --out $run --timeout 5" "$(bad read) --timeout 5" &

# ---- meanwhile: nodes that can say themselves what is wrong
begin well
nodes "$(good)" "$(good)"
passes
grep -Eq '^n1 +0-1 ' "$out" && grep -Eq '^n2 +2-3 ' "$out" && grep -q 'digest [0-9a-f]\{32\}' "$out" &&
  grep -q 'between nodes [0-9.]* GB/s' "$out" || fail "$name: $(cat "$out")"
begin copied # a node with a copy of the store
nodes "$(good)" "$twotrack preflight --store $work/copy --out $run"
passes
begin alone
run=$run/deeper
"$twotrack" preflight --store "$work/store" --out "$run" > "$out" 2>&1
echo $? > "$out.code"
passes
[ -d "$run" ] || fail "alone: the run's folder was not made"
train 1 "$run" --set train.steps=3 > "$out" 2>&1 || fail "a run in a folder that was checked: $(tail -3 "$out")"
before=$(find "$run" -printf '%p %s %T@\n' | grep -v "^$run " | sort)
"$twotrack" preflight --store "$work/store" --out "$run" --json > "$out" 2>&1 || fail "in the folder of a run: $(cat "$out")"
[ "$before" = "$(find "$run" -printf '%p %s %T@\n' | grep -v "^$run " | sort)" ] || fail "the folder of a run was changed"
grep -q '"ok": true' "$out" && grep -q '"problems": \[\]' "$out" || fail "JSON: $(cat "$out")"

begin missing-store
nodes "$(good)" "$check-none --out $run"
names 'node n2 \(ranks 2-3\): store: cannot open .*/store-none/manifest.json'
begin missing-everywhere
nodes "$check-none --out $run" "$check-none --out $run"
names 'all 2 nodes \(ranks 0-3\): store: cannot open .*/store-none/manifest.json'
begin missing-shard
mv "$work/copy/shard-00001.h5" "$work/aside"
nodes "$twotrack preflight --store $work/copy --out $run" "$(good)"
mv "$work/aside" "$work/copy/shard-00001.h5"
[ "$(cat "$out.code")" = 1 ] && grep -q 'error: preflight: node n1 (rank.*store: .*copy/shard-00001.h5' "$out" && ! grep -q 'node n2.*store:' "$out" || fail "$name: $(cat "$out")"
begin damaged-shard
for s in "$work"/copy/shard-*; do spoil "$s"; done
nodes "$(good)" "$twotrack preflight --store $work/copy --out $run"
[ "$(cat "$out.code")" = 1 ] && grep -q 'error: preflight: node n2 (rank.*store: .*copy/shard-' "$out" || fail "$name: $(cat "$out")"
begin other-store
nodes "$(good)" "$twotrack preflight --store $work/other --out $run"
names 'node n2 \(ranks 2-3\): store: another one than on the others'
begin not-writable # a file is in the way
nodes "$(good)" "$check --out $work/file/run"
names 'node n2 \(ranks 2-3\): run folder: .*/file/run'
begin not-the-same
nodes "$(good)" "$check --out $work/$name/elsewhere"
names 'node n2 \(ranks 2-3\): run folder: .*/elsewhere is not the same folder as on rank 0'
begin other-kernels
if grep -q avx2 /proc/cpuinfo; then
  nodes "$(good)" "-x TWOTRACK_CPU=base $(good)"
  names "node n2 \(ranks 2-3\): CPU: computes with 'cpu, base'"
fi
begin locked
mkdir -p "$run"
exec 8< "$run"; flock 8
nodes "$(good)" "$(good)"
exec 8<&-
names 'all 2 nodes \(ranks 0-3\): run folder: another job is writing to'
begin no-locks
nodes "$(bad flock)" "$(bad flock)"
passes
grep -q 'note: preflight: all 2 nodes (ranks 0-3): .*no file locks.*HDF5_USE_FILE_LOCKING=FALSE' "$out" || fail "$name: $(cat "$out")"
begin clock
nodes "$(good)" "$(bad clock)"
passes
grep -Eq 'note: preflight: node n2 \(rank 2\): its clock is 3(600|599).[0-9] s ahead' "$out" || fail "$name: $(cat "$out")"
begin sum
nodes "$(good)" "$(bad sum)"
names 'node n2 \(ranks 2-3\): an all-reduce of known values gave 11 in place of 10'
begin message
nodes "$(bad message)" "$(good)"
names 'node n1 \(rank 0\): a message of 4 MB from rank 2 did not arrive'

# ---- GPUs
gpu() { echo "-x LD_LIBRARY_PATH=$driver:${LD_LIBRARY_PATH:-} -x TT_GPUS=$1 -x TT_GPU_FIRST=${2:-0} $(good) --gpus 2"; }
begin gpus
nodes "$(gpu 2)" "$(gpu 3)"
passes
grep -Eq '^n1 .* 2 .*Made-up GPU 0' "$out" && grep -Eq '^n2 .* 3 ' "$out" || fail "$name: $(cat "$out")"
begin few-gpus
nodes "$(gpu 2)" "$(gpu 1)"
names 'node n2 \(ranks 2-3\): GPUs: 1 seen, 2 wanted'
begin broken-gpus
nodes "$(gpu 2)" "$(gpu -1)"
names "node n2 \(ranks 2-3\): NVIDIA's driver does not work" 'node n2 \(ranks 2-3\): GPUs: 0 seen, 2 wanted'
begin bound-gpus # each rank sees one, another one
timeout 90 "$mpirun" -q --oversubscribe -n 1 $(gpu 1 0) : -n 1 $(gpu 1 1) > "$out" 2>&1
echo $? > "$out.code"
passes

# ---- the ones that waited
wait
begin never; names 'ranks 2-3: not heard of for [0-9]+ s'
grep -q '2 other ranks: waiting at MPI_Init' "$out" || fail "$name: $(cat "$out")"
begin stopped-before; names 'ranks 0-1: not heard of'
begin stopped-init; names 'node n2 \(ranks 2-3\): does not run any more: .*last seen at MPI_Init'
begin stopped-later; names 'node n2 \(ranks 2-3\): does not run any more: .*last seen at MPI_Init'
begin stopped-first; names 'node n1 \(ranks 0-1\): does not run any more: .*last seen at MPI_Init'
begin stalled; names 'node n2 \(ranks 2-3\): the others wait for it: it has not come further than reading molecules from the store'
begin stalled-and-missing; names 'node n1 \(ranks 0-1\): store: cannot open' 'node n2 \(ranks 2-3\): the others wait'

# ---- usage
usage() { "$twotrack" preflight "$@" > "$work/usage" 2>&1; [ $? = 2 ] && grep -q "twotrack: error: preflight: $pattern" "$work/usage" || fail "usage of $*: $(cat "$work/usage")"; }
pattern='--store DIR and --out RUN are needed' usage --out x
pattern='--gpus -1' usage --store a --out b --gpus -1
pattern='--timeout 0' usage --store a --out b --timeout 0
pattern="'--what' is no option" usage --store a --out b --what
pattern="'c' is too much" usage --store a --out b c
"$twotrack" preflight --help | grep -q '^usage: twotrack preflight' || fail "help"
finish
