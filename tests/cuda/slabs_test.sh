#!/bin/bash
# Operations that take their rows in slabs (kernels/cuda/slab.h): with several of them, which the shapes of bench ops are too small
# for otherwise, results are right, and the same bits however the emulator orders blocks and threads.
# usage: slabs_test.sh TWOTRACK-EMULATED BACKEND
set -u
twotrack=$1 backend=$2
failures=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}
# error OPERATION [VARIABLE=VALUE...]: its largest error in all digits; differs as soon as the order of one sum does
error() {
  local operation=$1
  shift
  env "$@" "$twotrack" bench ops --backend "$backend" --op "$operation" --json >"$work/out" 2>"$work/err" ||
    fail "$operation $*: $(cat "$work/err") $(grep -A9 '"op"' "$work/out")"
  grep -q '"deterministic": true' "$work/out" || fail "$operation $*: other bits when called again"
  grep -o '"error": [^,]*' "$work/out"
}

for operation in norm_linear norm_linear_backward linear_residual linear_residual_backward ffn ffn_backward; do
  error "$operation" TWOTRACK_SLAB=300 TT_EMULATE_SEED=1 >"$work/slabs"
  error "$operation" TWOTRACK_SLAB=300 TT_EMULATE_SEED=2 >"$work/shuffled"
  cmp -s "$work/slabs" "$work/shuffled" || fail "$operation: other bits in another order of blocks and threads"
done
# that there were several slabs at all: gradients of parameters are then added up in another order (bf16's rounding hides it)
[ "$backend" = cuda ] || exit $((failures > 0))
error norm_linear_backward TWOTRACK_SLAB=100000000 >"$work/whole"
error norm_linear_backward TWOTRACK_SLAB=300 >"$work/slabs"
cmp -s "$work/slabs" "$work/whole" && fail "TWOTRACK_SLAB makes no difference"
[ $failures = 0 ]
