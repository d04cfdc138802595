#!/usr/bin/env bash
# Runs killed (SIGKILL) at random moments and resumed, at the same or another number of ranks, end as if nothing had happened.
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 200 || exit 1
train 2 "$work/whole" > "$work/log" 2>&1 || { fail "the undisturbed run: $(tail -3 "$work/log")"; finish; }

# an existing run is not overwritten, and a finished one is left alone
before=$(cat "$work/whole"/run.jsonl "$work/whole"/checkpoints/* | cksum)
train 2 "$work/whole" > "$work/log" 2>&1 && fail "an existing run folder was accepted without --resume"
grep -q -- "--resume" "$work/log" || fail "no advice about --resume: $(cat "$work/log")"
train 2 "$work/whole" --resume > "$work/log" 2>&1 || fail "resuming a finished run: $(tail -3 "$work/log")"
[ "$before" = "$(cat "$work/whole"/run.jsonl "$work/whole"/checkpoints/* | cksum)" ] || fail "a finished run was changed"

# continue STEPS by STEPS with other rank counts, stopped by SIGKILL at a random time between
RANDOM=${TT_TEST_SEED:-1}
kills=4
[ -n "${TT_TEST_LONG:-}" ] && kills=40
for k in $(seq "$kills"); do
  out="$work/killed-$k"
  for attempt in 1 2; do
    n=$((1 << (RANDOM % 3)))
    train "$n" "$out" --resume > "$work/log" 2>&1 &
    sleep "$((RANDOM % 3)).$((RANDOM % 10))"
    pkill -KILL -f -- "$twotrack train .*--out $out" 2> /dev/null
    wait $! 2> /dev/null
  done
  n=$((1 << (RANDOM % 3)))
  train "$n" "$out" --resume > "$work/log" 2>&1 || fail "kill $k, resume with $n ranks: $(tail -3 "$work/log")"
  same_curve "$work/whole" "$out"
  ls "$out" "$out/checkpoints" | grep -q tmp && train 1 "$out" --resume > /dev/null 2>&1
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
train 2 "$work/lost" --resume > "$work/log" 2>&1 && fail "a log without its checkpoints was replaced"
grep -q "no checkpoint" "$work/log" && [ "$log" = "$(cksum < "$work/lost/run.jsonl")" ] || fail "lost checkpoints: $(tail -3 "$work/log")"
head -4 "$work/whole/run.jsonl" > "$work/lost/run.jsonl"
train 2 "$work/lost" --resume > "$work/log" 2>&1 || fail "a log that ends early: $(tail -3 "$work/log")"
same_curve "$work/whole" "$work/lost"
printf '{"type":"ru' > "$work/lost/run.jsonl"; rm "$work"/lost/checkpoints/*
train 2 "$work/lost" --resume > "$work/log" 2>&1 || fail "a torn first line: $(tail -3 "$work/log")"

# other data or another model is refused
cp -r "$work/torn" "$work/other"; rm "$work/other/checkpoints/step-000000012.h5"
train 2 "$work/other" --resume --set optimizer.learning_rate=0.5 > "$work/log" 2>&1 && fail "another learning rate was accepted"
grep -q "learning_rate" "$work/log" || fail "the differing key is not named: $(cat "$work/log")"
rm -rf "$work/other"; cp -r "$work/torn" "$work/other"; rm "$work/other/checkpoints/step-000000012.h5"
"$make_store" "$work/store-2" 5001 200 || exit 1
train 2 "$work/other" --resume --store "$work/store-2" > "$work/log" 2>&1 && fail "another store was accepted"
grep -q "another store" "$work/log" || fail "the other store is not named: $(cat "$work/log")"

# what a dry run says is what the run would say
train 2 "$work/other" --resume --store "$work/store-2" --dry-run > "$work/log" 2>&1 && fail "a dry run accepted another store"
train 2 "$work/torn" --dry-run > "$work/log" 2>&1 && fail "a dry run accepted an existing folder"
train 2 "$work/whole" --resume --dry-run > "$work/log" 2>&1 || fail "a dry run of a finished run: $(tail -3 "$work/log")"

# a broken newest checkpoint, and a lost log
rm -rf "$work/other"; cp -r "$work/whole" "$work/other"
newest=$work/other/checkpoints/step-000000012.h5
truncate -s 5000 "$newest"
train 2 "$work/other" --resume > "$work/log" 2>&1 && fail "a truncated checkpoint was accepted"
grep -q "step-000000012.h5.*removed" "$work/log" || fail "no advice for a truncated checkpoint: $(cat "$work/log")"
rm "$newest"; mv "$work/other/run.jsonl" "$work/kept.jsonl"
train 2 "$work/other" --resume > "$work/log" 2>&1 && fail "a run without its log was accepted"
grep -q "run.jsonl is missing" "$work/log" || fail "the lost log is not named: $(cat "$work/log")"
mv "$work/kept.jsonl" "$work/other/run.jsonl"

# one job at a time in a folder
exec 9< "$work/other"
flock 9
train 2 "$work/other" --resume > "$work/log" 2>&1 && fail "two jobs in one folder"
grep -q "another job is writing to" "$work/log" || fail "the other job is not named: $(cat "$work/log")"
exec 9<&-
train 2 "$work/other" --resume > "$work/log" 2>&1 || fail "after the other job: $(tail -3 "$work/log")"
same_curve "$work/whole" "$work/other"

# a run that starts from another's weights begins where that one ended
last=$(grep '"type":"valid"' "$work/whole/run.jsonl" | tail -1 | grep -o '"loss":[^,]*')
train 2 "$work/child" --init-from "$work/whole/checkpoints/step-000000012.h5" --set train.steps=3 > "$work/log" 2>&1 ||
  fail "--init-from: $(tail -3 "$work/log")"
grep '"type":"valid"' "$work/child/run.jsonl" | head -1 | grep -qF "$last," || fail "--init-from: the first validation is not $last"
finish
