# Shared by the tests of whole runs. Sourced with: twotrack, make_store, mpirun (or "") as $1 $2 $3.
set -u
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # for containers; elsewhere they change nothing
twotrack=$1 make_store=$2 mpirun=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -n "$mpirun" ] || { echo "no mpirun: skipped"; exit 77; }
failures=0

fail() { echo "FAIL: $*"; failures=$((failures + 1)); }

finish() { [ "$failures" -eq 0 ] && echo "all passed" || { echo "$failures failed"; exit 1; }; }

# ranks N COMMAND...: under mpirun, but for one, which needs none; at most two minutes, or $TT_TEST_PATIENCE seconds (a hang is a failure)
ranks() {
  local n=$1 launcher=(); shift
  [ "$n" = 1 ] || launcher=("$mpirun" -q --oversubscribe -n "$n")
  timeout -k 5 "${TT_TEST_PATIENCE:-120}" "${launcher[@]}" "$@"
}

# train RANKS OUT [OPTIONS...]: the small test model
train() { local n=$1 out=$2; shift 2; ranks "$n" "$twotrack" train "$here/small.cfg" --store "$work/store" --out "$out" "$@"; }

# Step and valid records without what may differ between runs of the same curve.
curve() { grep -E '"type":"(step|valid)"' "$1/run.jsonl" | sed -E 's/,"(samples_per_s|data_s)":[^,}]*//g'; }

# spoil SHARD: zeros over most of the molecules
spoil() { dd if=/dev/zero of="$1" bs=1000 seek=20 count=$(($(stat -c %s "$1") / 1000 - 35)) conv=notrunc 2> /dev/null; }

digest() { "$twotrack" checkpoint digest "$1"; }

# same_curve A B [LEAST]: equal records and equal digests of the last checkpoint, and there are some
same_curve() {
  local a b; a=$(ls "$1"/checkpoints/*.h5 | tail -1); b=$(ls "$2"/checkpoints/*.h5 | tail -1)
  [ "$(curve "$1" | wc -l)" -ge "${3:-12}" ] || fail "$1 has too few records"
  diff <(curve "$1") <(curve "$2") > "$work/diff" || fail "$1 and $2: records differ: $(head -c 600 "$work/diff")"
  [ -n "$(digest "$a")" ] && [ "$(digest "$a")" = "$(digest "$b")" ] || fail "$1 and $2: digests differ"
}
