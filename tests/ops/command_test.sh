#!/bin/sh
# twotrack bench ops: its options, its tables and its JSON. (What it finds are tests of their own.) $1: twotrack
twotrack=$1
. "$(dirname "$0")/../expect.sh"

expect 0 'usage: twotrack bench ops' "$twotrack" bench ops --help
expect 2 "there is no operation \"gela\"; the nearest is gelu (there are linear, .*, adam)" "$twotrack" bench ops --op gela
expect 2 "takes test, grad, perf or support, not 'fast'" "$twotrack" bench ops --mode fast
expect 2 "takes one of cpu, .* not 'gpu'" "$twotrack" bench ops --backend gpu
expect 2 "'--nonsense' is no option" "$twotrack" bench ops --nonsense
expect 2 "'more' is too much" "$twotrack" bench ops more
expect 1 'linear is no backward' "$twotrack" bench ops --op linear --mode grad
expect 0 '^gelu  *[0-9][0-9]* .* yes  *ok ' "$twotrack" bench ops --op gelu
expect 0 '^gelu_backward .* yes  *ok ' "$twotrack" bench ops --op gelu_backward --mode grad
expect 0 '^copy .* yes ' "$twotrack" bench ops --op copy --mode perf
expect 0 '^adam .*same bits' "$twotrack" bench ops --op adam --mode support
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
        assert row["backends"]["reference"] == "same bits" and row["backends"].keys() >= {"cuda", "cuda-bf16"}, row
if r["mode"] == "perf":  # 2 x 2 x rows x in x out; x, dy, w and dx once, dw and db twice, in 4 bytes
    rows, a, b = 5100, 512, 48
    row = r["operations"][0]
    assert row["flops"] == 4 * rows * a * b, row
    assert row["bytes"] == 4 * (2 * rows * a + rows * b + a * b + 2 * (a * b + b)), row
PYTHON
done
[ $failed -eq 0 ] && echo "all passed"
exit $failed
