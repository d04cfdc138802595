#!/usr/bin/env bash
# Training under valgrind, which sees what sanitizers do not: numbers that are used and were never set. On two ranks, with validations
# and checkpoints; then resumed by one. exit code 77: no valgrind.   usage: valgrind.sh TWOTRACK MAKE_STORE MPIRUN FAULTY
source "$(dirname "${BASH_SOURCE[0]}")/../train/common.sh"
command -v valgrind > /dev/null || { echo "skipped: valgrind is not installed"; exit 77; }
faulty=$4 TT_TEST_PATIENCE=1200
check=(valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=40
  --log-file="$work/told.%p" --suppressions="$(dirname "${BASH_SOURCE[0]}")/valgrind.supp")
of_mpi=$(dirname "$mpirun")/../share/openmpi/openmpi-valgrind.supp # its own list
[ -f "$of_mpi" ] && check+=(--suppressions="$of_mpi")

"${check[@]}" "$faulty" unset
[ $? = 99 ] && grep -q 'depends on uninitialised' "$work"/told.* || fail "a number that was never set was not seen"
rm -f "$work"/told.*

"$make_store" "$work/store" 2000 40 12 || exit 1
train=("$twotrack" train "$here/small.cfg" --store "$work/store" --out "$work/run" --set train.batch_size=8 --set data.lanes=2
  --set train.steps=3 --set train.checkpoint_every=2 --set validation.every=2 --set validation.molecules=20)
ranks 2 "${check[@]}" "${train[@]}" > "$work/log" 2>&1 || fail "two ranks: $(tail -3 "$work/log")"
rm "$work/run/checkpoints/step-000000003.h5"
ranks 1 "${check[@]}" "${train[@]}" --resume > "$work/log" 2>&1 || fail "resumed: $(tail -3 "$work/log")"
[ "$(grep -c '"type":"step"' "$work/run/run.jsonl")" = 3 ] || fail "not three updates"
[ "$(find "$work" -name 'told.*' | wc -l)" = 3 ] || fail "valgrind watched $(find "$work" -name 'told.*' | wc -l) processes, not 3"
cat "$work"/told.* | head -c 20000
finish
