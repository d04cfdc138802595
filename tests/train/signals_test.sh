#!/usr/bin/env bash
# A run that is asked to stop saves what it has done and ends with code 75, wherever it is; resumed, it ends as if nothing had
# been; and no batch system starts it for ever.
source "$(dirname "$0")/common.sh"
interrupter=$4
"$make_store" "$work/store" 5000 200 12 || exit 1
seeded() { ranks "$1" "$interrupter" train "$here/small.cfg" --store "$work/store" --out "$2" --set train.log_every=3 "${@:3}"; }
seeded 2 "$work/whole" > "$work/log" 2>&1 || { fail "the undisturbed run: $(tail -3 "$work/log")"; finish; }
read -r _ looks _ polls < <(grep '^looks' "$work/log")
[ "${looks:-0}" -ge 25 ] && [ "${polls:-0}" -ge 3 ] || fail "looked $looks times, waited $polls times"

# stopped OUT: the last start ended as asked, said so once, and left nothing half-done
stopped() {
  [ "$code" = 75 ] || fail "$what: code $code: $(tail -3 "$work/log")"
  [ "$(grep -c '^twotrack: stopped (' "$work/log")" = 1 ] || fail "$what: $(tail -3 "$work/log")"
  ! grep -q "twotrack: error" "$work/log" && [ ! -e "$1/failures.jsonl" ] || fail "$what: told as a failure: $(tail -3 "$work/log")"
  [ -z "$(ls "$1"/checkpoints/*.tmp* 2> /dev/null)" ] || fail "$what: $(ls "$1/checkpoints")"
}

# again and again at the K-th place since its start, by turns on all ranks or one, with 1, 2 and 4 ranks: start, baseline,
# validation, update or the wait for a save, whichever is then
numbers=(15 10 12 2)
names=(SIGTERM SIGUSR1 SIGUSR2 SIGINT)
chain() {
  local place=$1 k=$2 out="$work/chain-$1-$2" start n r step before=-1
  for start in $(seq 0 40); do
    n=$((1 << (start % 3))) r=$((start % 2 ? n - 1 : -1)) s=$((start % 4)) what="$place $k, start $start on $n ranks"
    TT_TEST_SIGNAL="${numbers[s]} $r $place $k 1" seeded "$n" "$out" --resume > "$work/log" 2>&1
    code=$?
    [ "$code" = 0 ] && break
    stopped "$out"
    [ "$code" = 75 ] || break
    grep -q "(${names[s]} on rank $((r < 0 ? 0 : r)))" "$work/log" || fail "$what: not the reason: $(tail -1 "$work/log")"
    step=$(ls "$out/checkpoints" 2> /dev/null | tail -1)
    ! grep -q "which is saved" "$work/log" || tail -4 "$out/run.jsonl" | grep -q '"type":"stop"' || fail "$what: no stop record"
    [ "$step" != "$before" ] && before=$step || k=$((k + 1)) # before anything was done: a little later then
  done
  [ "$start" -ge 2 ] && [ "$code" = 0 ] || fail "$place $2: $start starts, the last with code $code: $(tail -3 "$work/log")"
  same_curve "$work/whole" "$out" 7
  starts=$((starts + start))
}
starts=0
chain look 1
chain look 13
chain poll 2
if [ -n "${TT_TEST_LONG:-}" ]; then
  for k in $(seq 2 "$looks"); do chain look "$k"; done
  for k in 1 3 4; do chain poll "$k"; done
fi
echo "stopped $starts times, each chain of starts ended as the undisturbed run"

# a stop in a validation: what was done before it is saved, and the validation comes first after the resume
out=$work/validation
for k in $(seq 10 "$looks"); do
  rm -rf "$out" && what="look $k"
  TT_TEST_SIGNAL="15 0 look $k 1" seeded 1 "$out" > "$work/log" 2>&1
  code=$?
  stopped "$out"
  [ -e "$out/checkpoints/step-000000005.h5" ] && break
done
grep -q '"type":"valid","step":5,' "$out/run.jsonl" && fail "$what: not in the validation after update 5"
grep -q '"type":"step","step":5,' "$out/run.jsonl" && fail "log_every = 3: update 5 has a record"
seeded 2 "$out" --resume > "$work/log" 2>&1 || fail "resume of a validation: $(tail -3 "$work/log")"
same_curve "$work/whole" "$out" 7
# the last one
out=$work/last what="in the last validation"
TT_TEST_SIGNAL="10 0 look $looks 1" seeded 1 "$out" > "$work/log" 2>&1
code=$?
stopped "$out"
grep -q "after update 12 of 12" "$work/log" && ! grep -q '"type":"valid","step":12,' "$out/run.jsonl" || fail "$what: $(tail -1 "$work/log")"
seeded 2 "$out" --resume > "$work/log" 2>&1 || fail "$what, resumed: $(tail -3 "$work/log")"
same_curve "$work/whole" "$out" 7
# once all is done, a signal changes nothing any more
out=$work/done
TT_TEST_SIGNAL="15 -1 poll $polls 1" seeded 2 "$out" > "$work/log" 2>&1 || fail "in the last save: $(tail -3 "$work/log")"
same_curve "$work/whole" "$out" 7

# a second signal does not wait: no checkpoint, but nothing is spoilt
out=$work/second
TT_TEST_SIGNAL="15 0 look $((looks / 2)) 2" seeded 1 "$out" > "$work/log" 2>&1
code=$?
[ "$code" = $((128 + 15)) ] || fail "a second signal: code $code: $(tail -3 "$work/log")"
seeded 1 "$out" --resume > "$work/log" 2>&1 || fail "after a second signal: $(tail -3 "$work/log")"
same_curve "$work/whole" "$out" 7

# from outside: one rank of four; mpirun, which passes SIGUSR1 on
until_logged() { for _ in $(seq 300); do grep -q '"type":"step"' "$1/run.jsonl" 2> /dev/null && return; sleep 0.1; done; }
for signal in TERM USR1; do
  out=$work/outside-$signal what="SIG$signal from outside"
  "$mpirun" -q --oversubscribe -n 4 "$twotrack" train "$here/small.cfg" --store "$work/store" --out "$out" --set train.steps=5000 > "$work/log" 2>&1 &
  launcher=$!
  until_logged "$out"
  if [ "$signal" = TERM ]; then pkill -TERM -o -f -- "^$twotrack train .*--out $out"; else kill -USR1 "$launcher"; fi
  wait "$launcher"
  code=$?
  stopped "$out"
  grep -q "stopped (SIG$signal on rank " "$work/log" && ls "$out"/checkpoints/*.h5 > /dev/null || fail "$what: $(tail -1 "$work/log")"
done

# the time limit: long before it for want of time, or some seconds before; a start that is too late
out=$work/time
TWOTRACK_END_TIME=$(($(date +%s) - 1)) train 2 "$out" > "$work/log" 2>&1
[ $? = 75 ] && grep -q "stopped (time limit) before" "$work/log" && [ ! -e "$out" ] || fail "too late: $(tail -3 "$work/log")"
slow=${TT_TEST_PATIENCE:+20} # a program that is checked for what it does starts slowly
end=$(($(date +%s) + 9 + ${slow:-0})) what="time limit"
SLURM_JOB_END_TIME=1 train 2 "$out" --set train.steps=100000 --end-time "$end" > "$work/log" 2>&1
code=$?
stopped "$out"
saved=$(stat -c %Y "$out"/checkpoints/*.h5 | sort -n | tail -1)
[ "$saved" -lt "$end" ] && grep -q "stopped (time limit) after update" "$work/log" || fail "saved at $((saved - end)): $(tail -1 "$work/log")"
train 1 "$out" --end-time tomorrow > "$work/log" 2>&1
[ $? = 2 ] && grep -q "end-time must be Unix seconds" "$work/log" || fail "a wrong time: $(tail -1 "$work/log")"

# no endless restarts: TWOTRACK_RESTART says that nobody has looked
out=$work/restarts
again() { TWOTRACK_RESTART=$1 TT_TEST_SIGNAL="15 0 look $2 1" seeded 1 "$out" --resume > "$work/log" 2>&1; code=$?; }
for k in 1 2; do again $k 3; [ "$code" = 75 ] || fail "restart $k: code $code: $(tail -1 "$work/log")"; done
again 3 3
[ "$code" = 1 ] && grep -q "error: the run was started 2 times from update 0" "$work/log" || fail "restart 3: code $code: $(tail -1 "$work/log")"
again 0 3
[ "$code" = 75 ] || fail "by hand: code $code: $(tail -1 "$work/log")"
again 1 15
[ "$code" = 75 ] || fail "restart after a start by hand: code $code: $(tail -1 "$work/log")"
at=$(ls "$out/checkpoints" | tail -1)
for k in 2 3; do again $k 3; [ "$code" = 75 ] || fail "restart $k from $at: code $code: $(tail -1 "$work/log")"; done
lines=$(wc -l < "$out/starts.jsonl")
again 4 3
[ "$code" = 1 ] && [ "$(wc -l < "$out/starts.jsonl")" = "$lines" ] || fail "restart 4 from $at: code $code: $(tail -1 "$work/log")"
# nor does a job that is asked to stop before its start has come to anything
late=$work/late
for k in 1 2 3; do TWOTRACK_RESTART=$k train 1 "$late" --resume --end-time 1 > "$work/log" 2>&1; code=$?; [ "$code" = $((k < 3 ? 75 : 1)) ] || fail "too late, restart $k: code $code: $(tail -1 "$work/log")"; done
TWOTRACK_RESTART=0 seeded 2 "$out" --resume > "$work/log" 2>&1 || fail "by hand at last: $(tail -1 "$work/log")"
same_curve "$work/whole" "$out" 7
before=$(cat "$out/starts.jsonl") # a run that is done is not started
for k in 5 6 7; do TWOTRACK_RESTART=$k seeded 1 "$out" --resume > "$work/log" 2>&1 || fail "a finished run: $(tail -1 "$work/log")"; done
[ "$before" = "$(cat "$out/starts.jsonl")" ] || fail "a finished run has started: $(cat "$out/starts.jsonl")"
finish
