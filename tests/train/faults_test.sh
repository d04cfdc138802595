#!/usr/bin/env bash
# Bad input of every kind: one message that says what is wrong, exit code not 0, no hang, nothing half-written. On two ranks once for
# each place where they agree to stop, else in one process; in the long form all on two.
source "$(dirname "$0")/common.sh"
"$make_store" "$work/store" 5000 200 12 || exit 1
cfg=$here/small.cfg

# refused NAME PATTERN OUT COMMAND...: fails, says PATTERN, once, and leaves no run behind in OUT
refused() {
  local name=$1 pattern=$2 out=$3; shift 3
  ranks "$count" "$@" > "$work/stdout" 2> "$work/stderr"
  local code=$?
  [ "$code" -ne 0 ] && [ "$code" -ne 124 ] && [ "$code" -ne 137 ] || fail "$name: exit code $code"
  [ "$(grep -c 'twotrack: error' "$work/stderr")" = 1 ] || fail "$name: not one message: $(cat "$work/stderr")"
  grep -Eq -- "$pattern" "$work/stderr" || fail "$name: no '$pattern' in: $(cat "$work/stderr")"
  ls "$out"/checkpoints/*.h5 > /dev/null 2>&1 && fail "$name: left a checkpoint"
  find "$work" -name '*.tmp.*' | grep -q . && fail "$name: left temporary files: $(find "$work" -name '*.tmp.*')"
}
count=2
few=1; [ -n "${TT_TEST_LONG:-}" ] && few=2
t() { local name=$1 pattern=$2; shift 2; refused "$name" "$pattern" "$work/out-$name" "$twotrack" train "$@" --out "$work/out-$name"; }
alone() { local count=$few; t "$@"; }

t missing-store "$work/none" "$cfg" --store "$work/none"
t no-store "data.store|--store" "$cfg"
alone missing-config "none.cfg" "$work/none.cfg" --store "$work/store"
sed 's/batch_size/batch_sise/' "$cfg" > "$work/typo.cfg"
t typo "typo.cfg:4.*batch_sise.*batch_size" "$work/typo.cfg" --store "$work/store"
alone bad-set "learning_rat.*learning_rate" "$cfg" --store "$work/store" --set optimizer.learning_rat=1
alone precision 'precision = "fp16" is none of "fp32", "bf16"' "$cfg" --store "$work/store" --set train.precision=fp16
TWOTRACK_CPU=avx2 t kernels "TWOTRACK_CPU is 'avx2'; this machine has kernels for .*base" "$cfg" --store "$work/store"
TWOTRACK_BF16=fast alone bf16-way "TWOTRACK_BF16 is native or rounded" "$cfg" --store "$work/store" --set train.precision=bf16
TWOTRACK_CPU=v3 TWOTRACK_BF16=native alone bf16-native "TWOTRACK_BF16=native" "$cfg" --store "$work/store" --set train.precision=bf16
alone bad-type "steps" "$cfg" --store "$work/store" --set train.steps=many
alone long-warmup "warmup_steps" "$cfg" --store "$work/store" --set optimizer.warmup_steps=12
t ranks-and-leaves "micro_batches" "$cfg" --store "$work/store" --set train.micro_batches=1
alone large-batch "batch_size" "$cfg" --store "$work/store" --set train.batch_size=8192
t lanes "set data.lanes to 4 \(" "$cfg" --store "$work/store" --set data.lanes=16 --set train.batch_size=16
alone lanes-of-batch "set data.lanes to 3 \(" "$cfg" --store "$work/store" --set data.lanes=9 --set train.batch_size=9
alone no-2d "no 2-D coordinates" "$cfg" --store "$work/store" --set data.coordinates_2d_probability=0.5
# before the first update, not when a batch meets the molecule
longest=$("$twotrack" store info "$work/store" --json | sed -n 's/.*"longest": \([0-9]*\).*/\1/p' | sort -n | tail -1)
t large-molecule "up to $longest atoms.*max_atoms" "$cfg" --store "$work/store" --set data.max_atoms=$((longest - 1))
t init-from "none.h5" "$cfg" --store "$work/store" --init-from "$work/none.h5"
alone dry-init-from "none.h5" "$cfg" --store "$work/store" --init-from "$work/none.h5" --dry-run
alone init-from-folder "is a folder" "$cfg" --store "$work/store" --init-from "$work"

"$twotrack" store info "$work/store" > /dev/full 2> "$work/stderr" && fail "a full disk behind stdout looks like success"
grep -q "standard output" "$work/stderr" || fail "full stdout: $(cat "$work/stderr")"

# a dry run tells what the largest model takes and does not take it (4.5 GB for the weights alone)
if [ -z "${ASAN_OPTIONS:-}" ]; then # its shadow memory is larger than any limit
  (ulimit -v 4000000 && "$twotrack" train "$cfg" --store "$work/store" --dry-run --set model.preset=1.1B) > "$work/log" 2>&1 ||
    fail "a dry run of 1.1B: $(tail -3 "$work/log")"
  grep -q "1129209696 parameters" "$work/log" || fail "a dry run of 1.1B: $(tail -3 "$work/log")"
fi

damaged() { rm -rf "$work/damaged"; cp -r "$work/store" "$work/damaged"; }
damaged; truncate -s 30000 "$work/damaged/shard-00002.h5"
alone truncated-shard "shard-00002.h5" "$cfg" --store "$work/damaged" --set train.steps=200 --set train.checkpoint_every=1000
damaged; rm "$work/damaged/shard-00001.h5"
t missing-shard "shard-00001.h5" "$cfg" --store "$work/damaged" --set train.steps=200 --set train.checkpoint_every=1000
damaged; printf 'x' | dd of="$work/damaged/shard-00000.h5" bs=1 seek=120000 conv=notrunc 2> /dev/null
t flipped-byte "shard-00000.h5" "$cfg" --store "$work/damaged" --set train.steps=200 --set train.checkpoint_every=1000
# a save under way when training fails is finished
damaged; printf 'x' | dd of="$work/damaged/shard-00000.h5" bs=1 seek=120000 conv=notrunc 2> /dev/null
ranks 2 "$twotrack" train "$cfg" --store "$work/damaged" --out "$work/late" --set train.steps=40 --set train.checkpoint_every=1 > "$work/log" 2>&1 &&
  fail "a flipped byte in a later batch was not seen"
newest=$(ls "$work"/late/checkpoints/*.h5 | tail -1 | sed 's/.*step-0*//; s/.h5//')
[ "$(grep -o '"step":[0-9]*' "$work/late/run.jsonl" | tail -1)" = "\"step\":$newest" ] ||
  fail "the save of the last step was not finished: $(tail -2 "$work/late/run.jsonl")"
rm -rf "$work/late"

damaged; sed -i 's/"schema_version": *[0-9]*/"schema_version": 99/' "$work/damaged/manifest.json"
t schema "manifest.json|schema" "$cfg" --store "$work/damaged"
damaged; truncate -s 100 "$work/damaged/manifest.json"
alone manifest "manifest.json" "$cfg" --store "$work/damaged"
"$make_store" "$work/no-valid" 5000 0
t no-validation "valid" "$cfg" --store "$work/no-valid"

# a checkpoint of another model, and a damaged one
train 2 "$work/donor" --set train.steps=4 > /dev/null 2>&1 || fail "donor run"
donor=$work/donor/checkpoints/step-000000004.h5
t other-model "step-000000004.h5" "$cfg" --store "$work/store" --init-from "$donor" --set model.layers=3
mkdir -p "$work/broken/checkpoints"; cp "$donor" "$work/broken.h5"
printf 'x' | dd of="$work/broken.h5" bs=1 seek=400000 conv=notrunc 2> /dev/null
t broken-checkpoint "broken.h5" "$cfg" --store "$work/store" --init-from "$work/broken.h5"

# an unwritable place, and a full disk (a limit on the size of files gives the same kind of error, without root)
: > "$work/file"
refused folder-is-file "$work/file" "$work/file" "$twotrack" train "$cfg" --store "$work/store" --out "$work/file/run"
export OMPI_MCA_btl=self,tcp
refused full-disk "run-full" "$work/none" bash -c "ulimit -f 300; exec '$twotrack' train '$cfg' --store '$work/store' --out '$work/run-full'"
ls "$work"/run-full/checkpoints/* > /dev/null 2>&1 && fail "full disk: something under checkpoints/"
# one rank's disk alone: the others are writing, or training on
refused one-full-disk "rank 1: cannot write .*run-one" "$work/none" bash -c "[ \$OMPI_COMM_WORLD_RANK = 1 ] && ulimit -f 300; exec '$twotrack' train '$cfg' \
  --store '$work/store' --out '$work/run-one' --set train.checkpoint_every=1"
ls "$work"/run-one/checkpoints/* > /dev/null 2>&1 && fail "one full disk: something under checkpoints/"
refused full-disk-log "run.jsonl" "$work/none" bash -c "ulimit -f 8; exec '$twotrack' train '$cfg' --store '$work/store' --out '$work/run-log' \
  --set train.steps=100 --set train.checkpoint_every=1000"
unset OMPI_MCA_btl
train 2 "$work/run-full" --resume > "$work/log" 2>&1 || fail "after the disk was full: $(tail -3 "$work/log")"
finish
