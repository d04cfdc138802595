#!/bin/bash
# twotrack plot: what the pictures hold, and what is refused.   usage: plot_test.sh TWOTRACK
set -u
twotrack=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
check() { # check WHAT COMMAND...: the command must succeed
  local what=$1
  shift
  "$@" >/dev/null 2>&1 || { echo "FAILED: $what"; failures=$((failures + 1)); }
}
count() { # count FILE PATTERN WANTED
  local found
  found=$(grep -o -- "$2" "$1" | wc -l)
  [ "$found" = "$3" ] || { echo "FAILED: $1 has $found, not $3, of: $2"; failures=$((failures + 1)); }
}
refused() { # refused CODE PATTERN ARGUMENTS...: exits with CODE and says PATTERN in one line
  local code=$1 pattern=$2 got=0
  shift 2
  "$twotrack" plot "$@" 2>message >/dev/null || got=$?
  if [ "$got" != "$code" ] || ! grep -q -- "$pattern" message || [ "$(wc -l <message)" != 1 ]; then
    echo "FAILED: 'plot $*' gave $got, not $code and '$pattern': $(cat message)"
    failures=$((failures + 1))
  fi
}

# make_run NAME STEPS: a log whose losses fall, with a validation every 20 steps and a few values that cannot be drawn
make_run() {
  mkdir -p "$1"
  awk -v steps="$2" 'BEGIN {
    print "{\"type\":\"run\",\"parameters\":{\"total\":197964}}"
    for (s = 0; s <= steps; s++) {
      token = 1 + 3 / (1 + s / 10); position = 0.48 - s / 10000; distance = 0.33 - s / 10000
      if (s % 20 == 0)
        printf "{\"type\":\"valid\",\"step\":%d,\"samples\":%d,\"loss\":%g,\"loss_token\":%g,\"loss_position\":%g," \
               "\"loss_distance\":%g,\"loss_se\":0.02,\"loss_token_se\":0.02,\"loss_position_se\":0.01," \
               "\"loss_distance_se\":0.01,\"baseline_token\":1.4,\"baseline_position\":0.5,\"baseline_distance\":0.34}\n",
               s, 32 * s, token + position + distance, token, position, distance
      if (s > 0)
        printf "{\"type\":\"step\",\"step\":%d,\"samples\":%d,\"loss\":%g,\"loss_token\":%s,\"loss_position\":%g}\n",
               s, 32 * s, token + position, s == 7 ? "0" : s == 9 ? "null" : token, position
    }
    print "{\"type\":\"resume\",\"step\":50}"
  }' >"$1/run.jsonl"
}
make_run 'first & <run>' 100
make_run second 60
make_run third 200

# one run: four frames; text stays text; the three baselines; five points where samples > 0 in each of four frames
check 'one run as SVG' "$twotrack" plot 'first & <run>' --out one.svg
for text in 'first &amp; &lt;run&gt; (198k parameters)' 'Total loss' Token Position Distance \
  'molecules seen' 'nats per masked atom' 'validation ± standard error' 'training, mean over 1/12 decade' \
  'element entropy' 'no movement' '2,000'; do
  check "one.svg says '$text'" grep -qF -- ">$text</text>" one.svg
done
count one.svg 'class="baseline"' 3
count one.svg 'class="validation"' 4
count one.svg 'class="training-mean"' 4
count one.svg '<circle' $((4 * 5 + 1)) # and one in the legend
# the loss at step 1 is above that of step 100: the drawn line starts higher on the sheet than it ends
check 'the mean falls' awk '
  /class="training-mean"/ { getline line; sub(/.*points="/, "", line); sub(/".*/, "", line); n = split(line, p, /[ ,]/)
    exit !(n > 20 && p[1] < p[n - 1] && p[2] < p[n]) }' one.svg

# several runs: one frame, a curve and a legend entry for each, a run log by its path too
check 'three runs as SVG' "$twotrack" plot second third/run.jsonl './first & <run>/' --title 'Three "runs"' --out three.svg
count three.svg 'class="training-mean"' 3
count three.svg 'class="validation"' 3
for text in second third 'first &amp; &lt;run&gt;' 'Three &quot;runs&quot;' 'total loss'; do
  check "three.svg says '$text'" grep -qF -- ">$text</text>" three.svg
done
check 'two runs of one name' "$twotrack" plot second second/run.jsonl --out twice.svg
check 'they are told apart' grep -qF '>second/run.jsonl</text>' twice.svg

# PNG: signature, 1600 x 1000 in the header; the same figure again is the same file; nothing temporary stays
check 'PNG' "$twotrack" plot third --out one.png
[ "$(head -c 24 one.png | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a0000000d4948445200000640000003e8 ] ||
  { echo "FAILED: one.png is not a PNG of 1600 x 1000"; failures=$((failures + 1)); }
check 'PNG again' "$twotrack" plot third --out again.png
check 'the same bytes' cmp one.png again.png
check 'PNG of several' "$twotrack" plot third second --out several.png
check 'nothing temporary' test -z "$(find . -name '*.tmp.*')"

# a torn last line (the run is being written) is left out
mkdir torn && cp second/run.jsonl torn/ && printf '{"type":"step","sam' >>torn/run.jsonl
check 'torn last line' "$twotrack" plot torn --out torn.svg

# refusals
mkdir empty short && head -1 second/run.jsonl >short/run.jsonl && head -3 second/run.jsonl | tail -1 >>short/run.jsonl
printf 'not json\n{}\n' >bad.jsonl
refused 2 '--out' second
refused 2 'at least one run' --out x.png
refused 2 "'--nonsense'" second --nonsense --out x.png
refused 2 "after '--out'" second --out
refused 1 'x.pdf.*\.png or \.svg' second --out x.pdf
refused 1 'empty/run.jsonl' empty --out x.png
refused 1 'missing' second missing --out x.png
refused 1 'short/run.jsonl: a curve needs two points' second short --out x.svg
refused 1 'bad.jsonl.*line 1' bad.jsonl --out x.svg
refused 1 'nowhere/x.png' second --out nowhere/x.png
refused 1 'nowhere/x.svg' second --out nowhere/x.svg
check 'no picture of a refused call' test ! -e x.png -a ! -e x.svg -a ! -e x.pdf
check '--help' "$twotrack" plot --help

[ "$failures" = 0 ] && echo 'plot: all well'
exit $((failures > 0))
