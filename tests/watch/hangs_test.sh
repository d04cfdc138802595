#!/usr/bin/env bash
# A rank that does not get on, in every way: the job ends with code 71, the right rank is named once, with what it was at; a resume
# goes on. A run that is slow but gets on is left alone. More ways in the long form. Prints how long each took from fault to end.
source "$(dirname "$0")/../train/common.sh"
stall=$4
"$make_store" "$work/store" 5000 200 || exit 1
limit=${TT_TEST_PATIENCE:+20} # programs that are checked for what they do are slow
limit=${limit:-4}
settings=("$here/../train/small.cfg" --store "$work/store" --set train.steps=100000 --set validation.every=100000 --set train.log_every=1
  --set train.hang_limit=$limit)

# start NAME RANKS [OPTIONS...]: in the background, $job
start() {
  local name=$1 n=$2; shift 2
  timeout -k 5 "${TT_TEST_PATIENCE:-200}" "$mpirun" -q --oversubscribe -n "$n" "$stall" train "${settings[@]}" --out "$work/$name" "$@" > "$work/$name.out" 2> "$work/$name.err" &
  job=$!
}

steps() { grep -c '"type":"step"' "$work/$1/run.jsonl" 2> /dev/null || true; }

# updates NAME N: waits until N are done
updates() { for _ in $(seq 2000); do [ "$(steps "$1")" -ge "$2" ] 2> /dev/null && return; sleep 0.05; done; fail "$1: no update $2: $(tail -3 "$work/$1.err")"; }

# process NAME RANK
process() {
  for pid in $(pgrep -f -- "--out $work/$1( |$)"); do
    tr '\0' '\n' < "/proc/$pid/environ" 2> /dev/null | grep -qx "OMPI_COMM_WORLD_RANK=$2" && echo "$pid" && return
  done
}

# ended NAME PATTERN: it hung, and was found to, in this way; $work/NAME.since: when that began
ended() {
  wait "$job"
  local code=$? now=$EPOCHREALTIME
  [ "$code" = 71 ] || fail "$1: code $code: $(tail -5 "$work/$1.err")"
  [ "$(grep -c 'twotrack: error' "$work/$1.err")" = 1 ] || fail "$1: not one message: $(cat "$work/$1.err")"
  grep -Eq "twotrack: error: the job hangs \\(train.hang_limit = $limit s\\): $2" "$work/$1.err" || fail "$1: no '$2' in: $(cat "$work/$1.err")"
  grep -q 'where the ranks are' "$work/$1.err" || fail "$1: no places: $(cat "$work/$1.err")"
  sleep 0.2
  pgrep -f -- "--out $work/$1( |$)" > /dev/null && fail "$1: processes are left"
  [ ! -e "$work/$1/failures.jsonl" ] || fail "$1: noted as a failure of the program"
  awk -v name="$1" -v limit="$limit" -v now="$now" '{printf "%-12s %4.1f s from the fault to the end, limit %g s\n", name, now - $1, limit}' "$work/$1.since"
}

# stalled NAME RANKS "FAULT" PATTERN [OPTIONS...]
stalled() {
  local name=$1 n=$2 pattern=$4
  export TT_TEST_STALL=$3 TT_TEST_MARK=$work/$1.since; shift 4
  start "$name" "$n" "$@"
  unset TT_TEST_STALL TT_TEST_MARK
  ended "$name" "$pattern"
}

# stopped NAME RANKS "RANK..." PATTERN
stopped() {
  start "$1" "$2"
  updates "$1" 3
  for rank in $3; do kill -STOP "$(process "$1" "$rank")" || fail "$1: no process of rank $rank"; done
  echo "$EPOCHREALTIME" > "$work/$1.since"
  ended "$1" "$4"
}

stopped stopped-1 2 1 'rank 1 \(.*\): no sign of life for [0-9]+ s'
stopped stopped-0 2 0 'rank 0 \(.*\): no sign of life for [0-9]+ s'
stalled read 2 'read 1 3' 'rank 1 \(.*\): its reader does not get on for [0-9]+ s: a chunk, reading .*shard-0000[0-9].h5'
stalled write 2 'write 1 3' 'rank 1 \(.*\): its writer does not get on for [0-9]+ s: the checkpoint, writing .*checkpoints/step-' --set train.checkpoint_every=2
short=$limit limit=8 # four ranks poll on few processors, and one that gets none for a quarter of the limit counts as silent
stalled skip 4 'skip 2 3' 'rank 2 \(.*\): not in the exchange that most ranks are in' --set train.hang_limit=8
limit=$short
stalled alone 1 'read 0 3' 'rank 0 \(.*\): its reader does not get on'
if [ -n "${TT_TEST_LONG:-}" ]; then
  stopped stopped-0-1 4 '0 1' 'ranks 0, 1 \(.*\): no sign of life for [0-9]+ s'
  stopped stopped-3 4 3 'rank 3 \(.*\): no sign of life for [0-9]+ s'
  stalled read-0 2 'read 0 3' 'rank 0 \(.*\): its reader does not get on for [0-9]+ s: a chunk, reading .*shard-0000[0-9].h5'
  stalled sync 2 'sync 1 3' 'rank 1 \(.*\): its writer does not get on for [0-9]+ s: the checkpoint, syncing .*checkpoints/step-' --set train.checkpoint_every=2
  stalled log 2 'log 0 3' 'rank 0 \(.*\): its main thread does not get on for [0-9]+ s: .*writing .*run.jsonl'
  stalled loop 2 'loop 1 3' 'rank 1 \(.*\): its main thread does not get on for [0-9]+ s: '
  stalled skip-2 2 'skip 1 3' 'ranks wait for each other in different exchanges'
  stalled collective 2 'read 1 3' 'rank 1 \(.*\): its reader' --set train.checkpoint_writer=collective --set train.checkpoint_every=2
fi

if [ -n "${TT_TEST_LONG:-}" ]; then # a rank that is not heard, but trains: longer than the limit, and nothing happens
  for step in 0 3; do
    export TT_TEST_STALL="mute 1 $step"
    start "mute-$step" 2
    unset TT_TEST_STALL
    sleep 30
    kill -0 "$job" 2> /dev/null || fail "mute: $(tail -5 "$work/mute-$step.err")"
    kill "$job"; wait "$job"
    grep -q 'error: the job hangs' "$work/mute-$step.err" && fail "mute: $(cat "$work/mute-$step.err")"
  done
fi

# a rank that never comes: MPI's start itself waits for it
TWOTRACK_MPI_LIMIT=4 timeout -k 5 "${TT_TEST_PATIENCE:-60}" "$mpirun" -q --oversubscribe -n 1 "$twotrack" train "${settings[@]}" --out "$work/never" : -n 1 sleep 50 \
  > "$work/never.out" 2> "$work/never.err"
code=$?
[ "$code" = 71 ] && grep -q 'error: rank 0 (node .*) waits in the start of MPI for' "$work/never.err" || fail "never: code $code: $(cat "$work/never.err")"
grep -q 'warning: rank 0 (node .*) waits in the start of MPI for' "$work/never.err" || fail "never: not warned: $(cat "$work/never.err")"

# slow, but it gets on: an update takes longer than the limit, and rank 0 waits in MPI for as long
TT_TEST_STALL='slow 1 1' TT_TEST_SECONDS=1.5 ranks 2 "$stall" train "${settings[@]}" --out "$work/slow" --set train.steps=2 --set optimizer.warmup_steps=1 \
  --set train.max_pairs=600 > "$work/slow.out" 2> "$work/slow.err" || fail "slow: $(tail -5 "$work/slow.err")"

# after a hang the run goes on
"$twotrack" train "${settings[@]}" --out "$work/write" --set train.checkpoint_every=2 --set train.hang_limit=0 --resume --dry-run > "$work/resumed" 2>&1 ||
  fail "resumed: $(tail -3 "$work/resumed")"
finish
