# Shared by the tests of sweeps. Sourced with: twotrack, make_store as $1 $2. Stands in $work, which has a store and a base.
set -u
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # for containers; elsewhere they change nothing
twotrack=$(realpath "$1") make_store=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

fail() { echo "FAIL: $*"; failures=$((failures + 1)); }

finish() { [ "$failures" -eq 0 ] && echo "all passed" || { echo "$failures failed"; exit 1; }; }

# expect CODE PATTERN COMMAND...: ends with CODE and prints PATTERN; what it printed is in $work/log
expect() {
  local code=$1 pattern=$2 got=0
  shift 2
  "$@" > "$work/log" 2>&1 || got=$?
  [ "$got" = "$code" ] && grep -q -- "$pattern" "$work/log" || fail "$* ended with $got, not $code and '$pattern': $(cat "$work/log")"
}

# states [OPTIONS...]: "RUN STATE STEP" a line, in the order of the list
states() {
  "$twotrack" sweep sweep.cfg --dry-run --json "$@" |
    python3 -c 'import json, sys
for r in json.load(sys.stdin)["runs"]: print(r["run"], r["state"], r["step"])'
}

"$make_store" store 800 70 || exit 1
cat > base.cfg << 'END'
model = { preset = "cpu-small"; };
data = { lanes = 1; };
train = { steps = 8; batch_size = 8; micro_batches = 2; log_every = 1; checkpoint_every = 2; };
optimizer = { warmup_steps = 2; };
validation = { every = 4; molecules = 16; };
END
model='layers = 1; embed_dim = 8; heads = 1; pair_dim = 8; pair_hidden = 4; ffn_dim = 8;'
sets='--set model.preset= --set model.layers=1 --set model.embed_dim=8 --set model.heads=1 --set model.pair_dim=8
  --set model.pair_hidden=4 --set model.ffn_dim=8'
