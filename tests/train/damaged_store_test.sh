#!/usr/bin/env bash
# Training on a store with damaged chunks: data.bad_chunks = "stop" names them, "skip" goes on without them, in the same
# order on any number of ranks, when killed and resumed, and when the damage comes or goes in between.
source "$(dirname "$0")/common.sh"
order=$4
"$make_store" "$work/good" 5000 200 6 || exit 1 # 5 shards of 1000 records: 3 whole chunks each, and tails

# 40 updates are five chunks of each lane; an epoch has 20 chunks, of which the last five are strung together from tails
settings=(--set model.layers=1 --set train.batch_size=128 --set train.steps=40 --set train.checkpoint_every=4 --set train.checkpoint_keep=0 --set validation.every=100)
run() { local n=$1 out=$2; shift 2; train "$n" "$out" "${settings[@]}" "$@"; }

# whole LANE: the lane's chunks among its first five, in their order, that lie in one shard
whole() { "$order" 5000 4 1 "$1" 5 | awk '$1 < 15'; }

fresh_store() { rm -rf "$work/store"; cp -r "$work/good" "$work/store"; }

# flip FILE BYTE
flip() {
  local byte; byte=$(od -An -tu1 -j "$2" -N 1 "$1")
  printf "\\x$(printf %02x $((byte ^ 4)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2> /dev/null
}

# break_chunk CHUNK: in the first array, whose rows have 8 bytes
break_chunk() { flip "$(printf '%s/store/shard-%05d.h5' "$work" $(($1 / 3)))" $((16384 + 8 * (256 * ($1 % 3) + 5))); }

skips() { grep '"type":"skip"' "$1/run.jsonl"; }
until_step() { grep -E '"type":"step"' "$1/run.jsonl" | head -"$2" | sed -E 's/,"(samples_per_s|data_s)":[^,}]*//g'; }

# resume_from RUN STEP OUT: a copy of a run as it was when it was killed after the checkpoint of STEP
resume_from() {
  cp -r "$1" "$3"
  local f; for f in "$3"/checkpoints/*.h5; do [ "$(basename "$f")" \> "$(printf 'step-%09d.h5' "$2")" ] && rm "$f"; done
}

fresh_store
run 2 "$work/sound" > "$work/log" 2>&1 || { fail "the sound store: $(tail -3 "$work/log")"; finish; }
grep -q . <(skips "$work/sound") && fail "the sound store: something was skipped"

# two chunks of different lanes, neither in use at the beginning
a=$(whole 1 | sed -n 2p) b=$(whole 2 | sed -n 3p)
break_chunk "$a"; break_chunk "$b"

# stop: the run ends with the file's and the chunk's name, on the rank that reads it, after the updates before
for n in 1 4; do
  run "$n" "$work/stop-$n" > "$work/log" 2>&1 && fail "stop, $n ranks: a damaged chunk was accepted"
  [ "$(grep -c 'twotrack: error:' "$work/log")" = 1 ] || fail "stop, $n ranks: not one error: $(tail -5 "$work/log")"
  grep -qE "train chunk ($a|$b):.*shard-0000($((a / 3))|$((b / 3))).h5" "$work/log" || fail "stop, $n ranks: $(tail -3 "$work/log")"
  done=$(grep -c '"type":"step"' "$work/stop-$n/run.jsonl")
  [ "$done" -ge 8 ] && [ "$(until_step "$work/stop-$n" "$done")" = "$(until_step "$work/sound" "$done")" ] || fail "stop, $n ranks: $done updates, or others"
done

# skip: the same curve on any number of ranks, the sound one up to the first chunk that is left out
for n in 1 2 4; do
  run "$n" "$work/skip-$n" --set data.bad_chunks=skip > "$work/log" 2>&1 || { fail "skip, $n ranks: $(tail -3 "$work/log")"; finish; }
  count=$(skips "$work/skip-$n" | wc -l)
  [ "$count" -ge 2 ] && [ "$(grep -c 'twotrack: warning: step' "$work/log")" = "$count" ] || fail "skip, $n ranks: $count records: $(grep warning "$work/log")"
  same_curve "$work/skip-1" "$work/skip-$n" 40
  diff <(skips "$work/skip-1") <(skips "$work/skip-$n") > "$work/diff" || fail "skip, $n ranks: other records: $(head -c 600 "$work/diff")"
done
[ "$(digest "$work/skip-1/checkpoints/step-000000040.h5")" != "$(digest "$work/sound/checkpoints/step-000000040.h5")" ] || fail "skip: nothing changed"
first=$(skips "$work/skip-1" | head -1 | sed -E 's/.*"step":([0-9]+).*/\1/')
[ "$(until_step "$work/skip-1" $((first - 1)))" = "$(until_step "$work/sound" $((first - 1)))" ] || fail "skip: other updates before step $first"
[ "$(until_step "$work/skip-1" "$first")" != "$(until_step "$work/sound" "$first")" ] || fail "skip: step $first is as if nothing was skipped"
for chunk in "$a" "$b"; do
  skips "$work/skip-1" | grep "\"chunk\":$chunk," | grep "\"file\":\"shard-0000$((chunk / 3)).h5\"" | grep -q '"records":256,' || fail "skip: chunk $chunk: $(skips "$work/skip-1")"
done
"$twotrack" checkpoint info "$work/skip-1/checkpoints/step-000000040.h5" --json | grep -q "\"skipped_chunks\": *$count\b" || fail "skip: the checkpoint has not $count skipped chunks"
"$twotrack" checkpoint verify "$work/skip-1/checkpoints/step-000000040.h5" > /dev/null || fail "skip: checkpoint verify"

# resumed from a checkpoint (in the long form, from every one), with other ranks: as if nothing had happened
steps=20; [ -n "${TT_TEST_LONG:-}" ] && steps="4 8 12 16 20 24 28 32 36"
for step in $steps; do
  n=$((1 << (step / 4 % 3)))
  resume_from "$work/skip-2" "$step" "$work/again-$step"
  run "$n" "$work/again-$step" --resume --set data.bad_chunks=skip > "$work/log" 2>&1 || fail "resume at $step: $(tail -3 "$work/log")"
  same_curve "$work/skip-1" "$work/again-$step" 40
  diff <(skips "$work/skip-1") <(skips "$work/again-$step") > "$work/diff" || fail "resume at $step: other records: $(head -c 600 "$work/diff")"
done

# and killed at a random moment, or at many
RANDOM=${TT_TEST_SEED:-1}
for attempt in 1 $([ -n "${TT_TEST_LONG:-}" ] && seq 2 20); do
  run $((1 << (RANDOM % 3))) "$work/killed" --resume --set data.bad_chunks=skip > "$work/log" 2>&1 &
  sleep "$((RANDOM % 2)).$((RANDOM % 10))"
  kill -KILL $(pgrep -f -- "$twotrack train .*--out $work/killed") 2> /dev/null
  wait $! 2> /dev/null
done
run 2 "$work/killed" --resume --set data.bad_chunks=skip > "$work/log" 2>&1 || fail "killed: $(tail -3 "$work/log")"
same_curve "$work/skip-1" "$work/killed" 40

# the stopped run may go on with skip, and then it is the same run
run 4 "$work/stop-1" --resume --set data.bad_chunks=skip > "$work/log" 2>&1 || fail "stop, then skip: $(tail -3 "$work/log")"
same_curve "$work/skip-1" "$work/stop-1" 40

# a store that is whole again: what was left out before the checkpoint stays so, nothing more is
fresh_store
for n in 1 4; do
  resume_from "$work/skip-2" 20 "$work/mended-$n"
  before=$("$twotrack" checkpoint info "$work/mended-$n/checkpoints/step-000000020.h5" --json | sed -nE 's/.*"skipped_chunks": *([0-9]+).*/\1/p')
  run "$n" "$work/mended-$n" --resume > "$work/log" 2>&1 || fail "mended, $n ranks: $(tail -3 "$work/log")"
  [ "${before:-0}" -ge 1 ] && [ "$(skips "$work/mended-$n" | wc -l)" = "$before" ] || fail "mended, $n ranks: not $before records"
done
same_curve "$work/mended-1" "$work/mended-4" 40
diff <(until_step "$work/mended-1" 40) <(until_step "$work/sound" 40) > /dev/null && fail "mended: the order was not restored"

# a chunk that breaks in the middle: 4 updates are 128 of its 256 records; those used before stay used
c=$(whole 0 | head -1)
[ "$c" = "$("$order" 5000 4 1 0 1)" ] || c=$(whole 3 | head -1)
break_chunk "$c"
for n in 1 4; do
  resume_from "$work/sound" 4 "$work/middle-$n"
  run "$n" "$work/middle-$n" --resume --set data.bad_chunks=skip > "$work/log" 2>&1 || fail "middle, $n ranks: $(tail -3 "$work/log")"
  skips "$work/middle-$n" | grep "\"chunk\":$c," | grep '"step":5,' | grep -q '"records":128,' || fail "middle, $n ranks: chunk $c: $(skips "$work/middle-$n")"
  same_curve "$work/middle-1" "$work/middle-$n" 40
  [ "$n" = 4 ] || [ -n "${TT_TEST_LONG:-}" ] || continue
  resume_from "$work/middle-$n" 12 "$work/middle-again-$n" # with the list that says so
  run 2 "$work/middle-again-$n" --resume --set data.bad_chunks=skip > "$work/log" 2>&1 || fail "middle again: $(tail -3 "$work/log")"
  same_curve "$work/middle-1" "$work/middle-again-$n" 40
done

# three in a row of one lane end the run; two do not
fresh_store
lane=0; while [ "$("$order" 5000 4 1 $lane 5 | sed -n 2,4p | awk '$1 < 15' | wc -l)" -lt 3 ] && [ $lane -lt 3 ]; do lane=$((lane + 1)); done
row=($("$order" 5000 4 1 $lane 5 | sed -n 2,4p))
break_chunk "${row[0]}"; break_chunk "${row[1]}"
run 2 "$work/two" --set data.bad_chunks=skip > "$work/log" 2>&1 || fail "two in a row: $(tail -3 "$work/log")"
[ "$(skips "$work/two" | wc -l)" -ge 2 ] || fail "two in a row: $(skips "$work/two")"
break_chunk "${row[2]}"
run 2 "$work/three" --set data.bad_chunks=skip > "$work/log" 2>&1 && fail "three in a row were skipped"
grep -q "in a row" "$work/log" || fail "three in a row: $(tail -3 "$work/log")"

# a whole shard whose header is damaged: all its chunks, also those that have a part of it
fresh_store
flip "$work/store/shard-00004.h5" 1000
for n in 1 4; do
  run "$n" "$work/shard-$n" --set data.bad_chunks=skip > "$work/log" 2>&1 || fail "a shard, $n ranks: $(tail -3 "$work/log")"
  left=$(skips "$work/shard-$n" | grep '"epoch":0,' | sed -E 's/.*"chunk":([0-9]+),"file":([^,]*),.*/\1 \2/' | sort -n | tr '\n' ' ')
  shard='"shard-00004.h5"'
  [ "$left" = "12 $shard 13 $shard 14 $shard 18 null 19 null " ] || fail "a shard, $n ranks: $left"
done
same_curve "$work/shard-1" "$work/shard-4" 40

# one that is missing, and one of another store, are found before the first update
"$make_store" "$work/other" 6000 200 6
fresh_store
for kind in missing other; do
  rm -f "$work/store/shard-00002.h5"
  [ $kind = other ] && cp "$work/other/shard-00005.h5" "$work/store/shard-00002.h5"
  run 2 "$work/run-$kind" --set data.bad_chunks=skip > "$work/log" 2>&1 && fail "a $kind shard was accepted"
  grep -q "shard-00002.h5" "$work/log" && ! [ -e "$work/run-$kind/run.jsonl" ] || fail "a $kind shard: $(tail -3 "$work/log")"
done

# validation molecules are never skipped
fresh_store
flip "$work/store/shard-00005.h5" $((16384 + 40))
run 1 "$work/valid" --set data.bad_chunks=skip > "$work/log" 2>&1 && fail "a damaged validation chunk was accepted"
grep -q "valid chunk 0:.*shard-00005.h5" "$work/log" || fail "validation: $(tail -3 "$work/log")"
finish
