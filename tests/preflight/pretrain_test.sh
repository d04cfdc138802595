#!/usr/bin/env bash
# launch/pretrain on two made-up machines: it comes back after a lost rank and a lost machine, stops when it is asked to, and names what
# is wrong; what it trains is what an undisturbed run has.
source "$(dirname "$0")/../train/common.sh"
pretrain=$4
unshare --uts true 2> /dev/null || { echo "no rights to make up host names (unshare --uts): skipped"; exit 77; }
"$make_store" "$work/store" 5000 200 12 || exit 1
export TWOTRACK=$twotrack TT_AGENT_FOLDER=$work/machines
export OMPI_MCA_plm_rsh_agent=$here/../preflight/agent.sh
# The leak checker itself crashes now and then at the end of ranks of several machines, on which Open MPI has threads of its own; the test of
# preflight looks for leaks.
[ -z "${ASAN_OPTIONS:-}" ] || export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
# the two share /dev/shm, where Open MPI names files by host name and rank
export OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo OMPI_MCA_plm=rsh
printf 'm1 slots=2 # the first\n\nm2 slots=2\n' > "$work/hosts"
steps=(--set train.steps=60 --set train.checkpoint_every=2) # saving is what takes long

# pretrain NAME [OPTIONS...]: into $work/NAME, its words to $work/NAME.log
pretrain() {
  local name=$1; shift
  timeout -k 5 "${TT_TEST_PATIENCE:-300}" "$pretrain" --hosts "$work/hosts" --ranks 4 --bind none --wait 1 --timeout 20 \
    "$here/small.cfg" --store "$work/store" --out "$work/$name" "$@" -- "${steps[@]}" > "$work/$name.log" 2>&1
}
saved() { ls "$work/$1"/checkpoints/*.h5 2> /dev/null | wc -l; }
# pids NAME HOST PATTERN: processes of a made-up machine
pids() {
  local pid
  for pid in $(pgrep -f "$3"); do
    tr '\0' '\n' < "/proc/$pid/environ" 2> /dev/null | grep -qx "TMPDIR=$work/machines/$2" && echo "$pid"
  done
}
until_saved() { for _ in $(seq 900); do [ "$(saved "$1")" -ge "$2" ] && return; sleep 0.1; done; fail "$1: no checkpoint: $(tail -3 "$work/$1.log")"; }
count() { grep -c "$2" "$work/$1.log"; }

train 1 "$work/whole" "${steps[@]}" > "$work/log" 2>&1 || { fail "the undisturbed run: $(tail -3 "$work/log")"; finish; }

# a rank is killed, then a machine is lost
pretrain lost &
job=$!
until_saved lost 1
kill -KILL "$(pids lost m2 "twotrack train.*--out $work/lost" | head -1)" || fail "no rank to kill"
for _ in $(seq 600); do [ "$(count lost 'goes on from the newest checkpoint in')" -ge 1 ] && break; sleep 0.1; done
for _ in $(seq 600); do [ "$(count lost '^resuming')" -ge 1 ] && break; sleep 0.1; done
kill -KILL $(pids lost m1 '^ *orted|/orted') || fail "no daemon to kill: $(tail -3 "$work/lost.log")"
wait $job
code=$?
[ $code = 0 ] || fail "lost: code $code: $(tail -5 "$work/lost.log")"
[ "$(count lost 'training ended with code')" = 2 ] && [ "$(count lost '^preflight: all is well')" = 3 ] || fail "lost: $(grep -v training "$work/lost.log" | tail -30)"
grep -Eq '^m1 +0-1 ' "$work/lost.log" && grep -Eq '^m2 +2-3 ' "$work/lost.log" || fail "lost: not on two machines"
same_curve "$work/whole" "$work/lost" 60

# it is asked to stop: saves, says so, and the same command goes on
pretrain asked &
job=$!
until_saved asked 1
kill -TERM "$(pgrep -f "^/bin/bash $pretrain .*--out $work/asked" | head -1)" || fail "nobody to ask: $(pgrep -af "$work/asked")"
wait $job
code=$?
[ $code = 75 ] && [ "$(count asked 'stopped; the same command goes on')" = 1 ] || fail "asked: code $code: $(tail -5 "$work/asked.log")"
pgrep -f "twotrack train.*--out $work/asked" > /dev/null && fail "asked: ranks are left"
last=$(ls "$work"/asked/checkpoints/*.h5 | sed 's/.*-0*//; s/\.h5//' | tail -1)
logged=$(grep -c '"type":"step"' "$work/asked/run.jsonl")
[ "$last" = "$logged" ] && [ "$last" -lt 60 ] || fail "asked: $logged updates, saved $last: $(tail -5 "$work/asked.log")"
pretrain asked || fail "asked, again: $(tail -5 "$work/asked.log")"
same_curve "$work/whole" "$work/asked" 60

# what starting again does not change: once is enough
pretrain wrong --store "$work/none"
code=$?
[ $code = 1 ] && grep -q 'error: preflight: all 2 nodes (ranks 0-3): store: cannot open .*/none/manifest.json' "$work/wrong.log" &&
  grep -q 'did not pass the test' "$work/wrong.log" && [ ! -e "$work/wrong/run.jsonl" ] || fail "wrong: code $code: $(cat "$work/wrong.log")"
pretrain wrong --timeout 0 --store "$work/none"
code=$?
[ $code = 1 ] && [ "$(count wrong 'twotrack: error')" = 1 ] && grep -q 'which starting again would not change' "$work/wrong.log" || fail "wrong, untested: code $code: $(cat "$work/wrong.log")"
printf 'm1 slots=2\ngone slots=2\n' > "$work/hosts"
pretrain gone
code=$?
[ $code = 1 ] && grep -q 'gone' "$work/gone.log" && grep -q 'did not pass the test' "$work/gone.log" || fail "gone: code $code: $(cat "$work/gone.log")"
printf 'm1\nm2\n' > "$work/hosts"
pretrain few
code=$?
[ $code = 1 ] && grep -q 'has 2 slots for 4 ranks' "$work/few.log" || fail "few: code $code: $(cat "$work/few.log")"
printf 'm1 slots=2\nm2 slots=two\n' > "$work/hosts"
pretrain garbage
code=$?
[ $code = 1 ] && grep -q "line 2: not a machine as in 'node1 slots=16': m2 slots=two" "$work/garbage.log" || fail "garbage: code $code: $(cat "$work/garbage.log")"

# usage
usage() { "$pretrain" "${@:2}" > "$work/log" 2>&1; [ $? = 2 ] && grep -q -- "$1" "$work/log" || fail "usage of ${*:2}: $(cat "$work/log")"; }
usage '--ranks N is missing' a.cfg
usage "--ranks x: a number" a.cfg --ranks x --store s --out r
usage "'--set' is no option" a.cfg --set x=1
usage "'b.cfg' is too much" a.cfg b.cfg
usage '--store DIR and --out RUN are needed' a.cfg --ranks 1
"$pretrain" --help | grep -q '^usage: launch/pretrain' || fail "help"
finish
