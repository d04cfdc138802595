#!/bin/sh
# twotrack bench ops: its options, its tables and its JSON. (What it finds are tests of their own.) $1: twotrack
twotrack=$1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0

# expect CODE WORDS OPTIONS...: must end with CODE and print WORDS (a basic regular expression)
expect() {
  code=$1 words=$2
  shift 2
  "$twotrack" bench ops "$@" >"$folder/out" 2>&1
  found=$?
  if [ $found -ne "$code" ] || ! grep -q -- "$words" "$folder/out"; then
    echo "FAILED (exit $found, wanted $code, and '$words'): bench ops $*"
    cat "$folder/out"
    failed=1
  fi
}

expect 0 'usage: twotrack bench ops' --help
expect 2 "there is no operation \"gela\"; the nearest is gelu (there are linear, .*, adam)" --op gela
expect 2 "takes test, grad, perf or support, not 'fast'" --mode fast
expect 2 "takes one of cpu, .* not 'gpu'" --backend gpu
expect 2 "'--nonsense' is no option" --nonsense
expect 2 "'more' is too much" more
expect 1 'linear is no backward' --op linear --mode grad
expect 0 '^gelu  *[0-9][0-9]* .* yes  *ok ' --op gelu
expect 0 '^gelu_backward .* yes  *ok ' --op gelu_backward --mode grad
expect 0 '^copy .* yes ' --op copy --mode perf
expect 0 '^adam .*same bits  *not built' --op adam --mode support
[ "$(wc -l <"$folder/out")" -le 6 ] || { echo "FAILED: --op shows more than one operation"; failed=1; }

for mode in test grad perf support; do
  "$twotrack" bench ops --op linear_backward --mode $mode --json >"$folder/json" 2>"$folder/log" &&
    python3 - "$folder/json" $mode <<'PYTHON' || { echo "FAILED: --mode $mode --json"; cat "$folder/log"; failed=1; }
import json, sys
r = json.load(open(sys.argv[1]))
assert r["mode"] == sys.argv[2] and r["failed"] == 0 and r["operations"], r
for row in r["operations"]:
    assert row["op"] == "linear_backward", row
    if r["mode"] in ("test", "grad"):
        assert row["ok"] and row["deterministic"] and row["cases"] > 3 and 0 <= row["error"] <= row["limit"], row
        assert row["error"] > 0 and row["limit_reason"] and row["worst"], row
    elif r["mode"] == "perf":
        assert 0 < row["seconds_fastest"] <= row["seconds_median"] and row["runs"] >= 3, row
        assert row["deterministic"] and row["bytes"] > 0, row
    else:
        assert row["backends"]["cuda"] == "not built" and row["backends"]["reference"] == "same bits", row
if r["mode"] == "perf":  # 2 x 2 x rows x in x out; x, dy, w and dx once, dw and db twice, in 4 bytes
    rows, a, b = 5100, 512, 48
    row = r["operations"][0]
    assert row["flops"] == 4 * rows * a * b, row
    assert row["bytes"] == 4 * (2 * rows * a + rows * b + a * b + 2 * (a * b + b)), row
PYTHON
done
[ $failed -eq 0 ] && echo "all passed"
exit $failed
