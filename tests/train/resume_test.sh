#!/usr/bin/env bash
# Runs killed (SIGKILL) at random moments and resumed, at the same or another number of ranks, end as if nothing had happened.
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 200 12 || exit 1
train 2 "$work/whole" > "$work/log" 2>&1 || { fail "the undisturbed run: $(tail -3 "$work/log")"; finish; }

# an existing run is not overwritten, and a finished one is left alone
before=$(cat "$work/whole"/run.jsonl "$work/whole"/checkpoints/* | cksum)
train 1 "$work/whole" > "$work/log" 2>&1 && fail "an existing run folder was accepted without --resume"
grep -q -- "--resume" "$work/log" || fail "no advice about --resume: $(cat "$work/log")"
train 2 "$work/whole" --resume > "$work/log" 2>&1 || fail "resuming a finished run: $(tail -3 "$work/log")"
[ "$before" = "$(cat "$work/whole"/run.jsonl "$work/whole"/checkpoints/* | cksum)" ] || fail "a finished run was changed"

# whole RUN: every file with a checkpoint's name is one
whole() {
  local f
  for f in "$1"/checkpoints/*.h5; do
    [ ! -e "$f" ] || "$twotrack" checkpoint verify "$f" > "$work/verify" 2>&1 || fail "after a kill: $(cat "$work/verify")"
  done
}

# continue with other rank counts, stopped by SIGKILL at a random time between; every second run saves after each
# step, so that there is nearly always a save in the background
RANDOM=${TT_TEST_SEED:-1}
kills=2
[ -n "${TT_TEST_LONG:-}" ] && kills=40
for k in $(seq "$kills"); do
  out="$work/killed-$k"
  saves=()
  [ $((k % 2)) = 0 ] && saves=(--set train.checkpoint_every=1 --set train.checkpoint_keep=2)
  for attempt in 1 2; do
    n=$((1 << (RANDOM % 3)))
    train "$n" "$out" --resume "${saves[@]}" > "$work/log" 2>&1 &
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    pkill -KILL -f -- "$twotrack train .*--out $out" 2> /dev/null
    wait $! 2> /dev/null
    whole "$out"
  done
  n=$((1 << (RANDOM % 3)))
  train "$n" "$out" --resume > "$work/log" 2>&1 || fail "kill $k, resume with $n ranks: $(tail -3 "$work/log")"
  same_curve "$work/whole" "$out"
  find "$out" -name '*.h5.tmp.*' | grep -q . && fail "kill $k: temporary files stayed"
  [ "$(grep -c '"type":"save"' "$out/run.jsonl")" -ge 1 ] || fail "kill $k: no save record"
done

# a stop right after a checkpoint with a torn last line in the log
cp -r "$work/whole" "$work/torn"
rm "$work/torn/checkpoints/step-000000012.h5"
printf '{"type":"step","st' >> "$work/torn/run.jsonl"
train 4 "$work/torn" --resume > "$work/log" 2>&1 || fail "torn log: $(tail -3 "$work/log")"
same_curve "$work/whole" "$work/torn"
[ "$(grep -c '"type":"resume"' "$work/torn/run.jsonl")" = 1 ] || fail "no resume record"

# a log whose checkpoints are gone is not thrown away; one that ends before the first checkpoint starts again
cp -r "$work/whole" "$work/lost"; rm "$work"/lost/checkpoints/*
log=$(cksum < "$work/lost/run.jsonl")
train 1 "$work/lost" --resume > "$work/log" 2>&1 && fail "a log without its checkpoints was replaced"
grep -q "no checkpoint" "$work/log" && [ "$log" = "$(cksum < "$work/lost/run.jsonl")" ] || fail "lost checkpoints: $(tail -3 "$work/log")"
head -4 "$work/whole/run.jsonl" > "$work/lost/run.jsonl"
train 1 "$work/lost" --resume > "$work/log" 2>&1 || fail "a log that ends early: $(tail -3 "$work/log")"
same_curve "$work/whole" "$work/lost"
# training had gone on while the first checkpoint was being written
rm "$work"/lost/checkpoints/*; grep -v '"type":"save"' "$work/whole/run.jsonl" > "$work/lost/run.jsonl"
: > "$work/lost/checkpoints/step-000000004.h5.tmp.77"
train 1 "$work/lost" --resume > "$work/log" 2>&1 || fail "a log ahead of the first checkpoint: $(tail -3 "$work/log")"
same_curve "$work/whole" "$work/lost"
[ -e "$work/lost/checkpoints/step-000000004.h5.tmp.77" ] && fail "a file of a save that was killed stayed"
printf '{"type":"ru' > "$work/lost/run.jsonl"; rm "$work"/lost/checkpoints/*
train 1 "$work/lost" --resume > "$work/log" 2>&1 || fail "a torn first line: $(tail -3 "$work/log")"

# other data or another model is refused
cp -r "$work/torn" "$work/other"; rm "$work/other/checkpoints/step-000000012.h5"
train 1 "$work/other" --resume --set optimizer.learning_rate=0.5 > "$work/log" 2>&1 && fail "another learning rate was accepted"
grep -q "'optimizer.learning_rate = 0.001', now 'optimizer.learning_rate = 0.5'" "$work/log" || fail "the differing key is not named: $(cat "$work/log")"
rm -rf "$work/other"; cp -r "$work/torn" "$work/other"; rm "$work/other/checkpoints/step-000000012.h5"
"$make_store" "$work/store-2" 5001 200 12 || exit 1
train 2 "$work/other" --resume --store "$work/store-2" > "$work/log" 2>&1 && fail "another store was accepted"
grep -q "another store" "$work/log" || fail "the other store is not named: $(cat "$work/log")"

# what a dry run says is what the run would say
train 1 "$work/other" --resume --store "$work/store-2" --dry-run > "$work/log" 2>&1 && fail "a dry run accepted another store"
train 1 "$work/torn" --dry-run > "$work/log" 2>&1 && fail "a dry run accepted an existing folder"
train 1 "$work/whole" --resume --dry-run > "$work/log" 2>&1 || fail "a dry run of a finished run: $(tail -3 "$work/log")"

# a broken newest checkpoint is told, set aside and not missed; a dry run leaves it where it is
rm -rf "$work/other"; cp -r "$work/whole" "$work/other"
newest=$work/other/checkpoints/step-000000012.h5
printf 'x' | dd of="$newest" bs=1 seek=400000 conv=notrunc 2> /dev/null
train 1 "$work/other" --resume --dry-run > "$work/log" 2>&1 || fail "a dry run with a broken checkpoint: $(tail -3 "$work/log")"
[ -e "$newest" ] || fail "a dry run renamed a checkpoint"
train 2 "$work/other" --resume > "$work/log" 2>&1 || fail "a flipped byte in the newest checkpoint: $(tail -3 "$work/log")"
[ "$(grep -c 'warning: .*step-000000012.h5.*are not what was written' "$work/log")" = 1 ] || fail "the broken checkpoint is not reported: $(cat "$work/log")"
grep -q "resuming.*step-000000008.h5" "$work/log" || fail "not the checkpoint before: $(cat "$work/log")"
[ -e "$newest.broken" ] || fail "the broken checkpoint was not set aside"
same_curve "$work/whole" "$work/other"
# two of them, each broken in another way; then all
truncate -s 5000 "$newest"
echo "no checkpoint" > "$work/other/checkpoints/step-000000008.h5"
train 2 "$work/other" --resume > "$work/log" 2>&1 || fail "two broken checkpoints: $(tail -3 "$work/log")"
[ "$(grep -c 'warning: ' "$work/log")" = 2 ] && grep -q "resuming.*step-000000004.h5" "$work/log" || fail "two broken checkpoints: $(cat "$work/log")"
same_curve "$work/whole" "$work/other"
for f in "$work"/other/checkpoints/*.h5; do truncate -s 5000 "$f"; done
train 2 "$work/other" --resume > "$work/log" 2>&1 && fail "all checkpoints broken, and it started"
grep -q "no checkpoint of .* can be used (3 broken)" "$work/log" || fail "all broken: $(cat "$work/log")"
[ "$(grep -c 'twotrack: error' "$work/log")" = 1 ] || fail "all broken: not one error: $(cat "$work/log")"
train 1 "$work/other" --resume > "$work/log" 2>&1 && fail "all checkpoints broken, and it started over"
grep -q "no checkpoint to go on from" "$work/log" || fail "all broken, again: $(cat "$work/log")"

# a lost log
rm -rf "$work/other"; cp -r "$work/whole" "$work/other"
rm "$newest"; mv "$work/other/run.jsonl" "$work/kept.jsonl"
train 1 "$work/other" --resume > "$work/log" 2>&1 && fail "a run without its log was accepted"
grep -q "run.jsonl is missing" "$work/log" || fail "the lost log is not named: $(cat "$work/log")"
mv "$work/kept.jsonl" "$work/other/run.jsonl"

# one job at a time in a folder
exec 9< "$work/other"
flock 9
train 2 "$work/other" --resume > "$work/log" 2>&1 && fail "two jobs in one folder"
grep -q "another job is writing to" "$work/log" || fail "the other job is not named: $(cat "$work/log")"
exec 9<&-
train 1 "$work/other" --resume > "$work/log" 2>&1 || fail "after the other job: $(tail -3 "$work/log")"
same_curve "$work/whole" "$work/other"

# the two writers make the same run, and a resumed run may change to the other
train 4 "$work/collective" --set 'train.checkpoint_writer="collective"' --set train.steps=12 > "$work/log" 2>&1 || fail "collective: $(tail -3 "$work/log")"
same_curve "$work/whole" "$work/collective"
grep -q '"writer":"collective"' "$work/collective/run.jsonl" || fail "not written together"
rm "$work/collective/checkpoints/step-000000012.h5"
train 2 "$work/collective" --resume --set 'train.checkpoint_writer="direct"' > "$work/log" 2>&1 || fail "direct after collective: $(tail -3 "$work/log")"
same_curve "$work/whole" "$work/collective"
grep -q '"step":12,"writer":"direct"' "$work/collective/run.jsonl" || fail "not written by each rank"

# a run that starts from another's weights begins where that one ended
last=$(grep '"type":"valid"' "$work/whole/run.jsonl" | tail -1 | grep -o '"loss":[^,]*')
train 1 "$work/child" --init-from "$work/whole/checkpoints/step-000000012.h5" --set train.steps=3 > "$work/log" 2>&1 ||
  fail "--init-from: $(tail -3 "$work/log")"
grep '"type":"valid"' "$work/child/run.jsonl" | head -1 | grep -qF "$last," || fail "--init-from: the first validation is not $last"
finish
