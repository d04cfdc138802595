#!/bin/bash
# twotrack log export --csv: what the table holds, and what is refused.   usage: log_test.sh TWOTRACK
. "$(dirname "$0")/../expect.sh"
twotrack=$(realpath "$1")
cd "$folder" || exit 1

# run NAME STEPS: a log with a validation every 10 steps
run() {
  mkdir -p "$1"
  awk -v steps="$2" 'BEGIN {
    print "{\"type\":\"run\",\"config\":\"model = { preset = \\\"cpu-tiny\\\"; }; train = { steps = 80; };\"," \
          "\"parameters\":{\"total\":41258,\"without_embeddings\":23314},\"store_digest\":\"abc\",\"started_unix\":17}"
    for (s = 0; s <= steps; s += 5) {
      printf "{\"type\":\"%s\",\"step\":%d,\"samples\":%d,\"loss\":%.17g,\"loss_token\":null}\n",
             s % 10 ? "step" : "valid", s, 32 * s, 1 / (3 + s)
    }
    printf "{\"type\":\"step\",\"st" # the run goes on
  }' >"$1/run.jsonl"
}
run runs/one 40
run 'runs/two, "second"' 20
mkdir runs/configs

expect 0 'all.csv: 14 records of 2 runs' "$twotrack" log export runs --csv all.csv
expect 0 'some.csv: 9 records of 1 run$' "$twotrack" log export runs/one/run.jsonl --csv some.csv
expect 0 '^15$' sh -c 'wc -l <all.csv'
expect 0 '^run,kind,size_total,size_without_embeddings,layers' head -1 all.csv
expect 0 '^one,valid,41258,23314,' sed -n 2p all.csv
expect 0 '^"two, ""second""",train,' tail -2 all.csv
expect 0 'store=abc; ' tail -1 all.csv

# each number with the digits that read back to the same bits, and nothing where the log has null
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
  { s = $column["step"]; if ($column["loss"] != 1 / (3 + s) || $column["loss_token"] != "" || $column["samples"] != 32 * s) bad = 1 }
  END { exit bad || NR != 10 }' some.csv || { echo 'FAILED: the numbers of some.csv'; failed=1; }
awk 'NR > 1 { n = split($0, a, "\""); if (n != 5) bad = 1 } END { exit bad }' some.csv ||
  { echo 'FAILED: the two texts of a row are in quotes'; failed=1; }

expect 1 "runs/none.*run.jsonl\|runs/none" "$twotrack" log export runs/none --csv x.csv
expect 1 'runs/configs holds no run.jsonl, and none of its folders' "$twotrack" log export runs/configs --csv x.csv
expect 1 'are one run: name it once' "$twotrack" log export runs runs/one --csv x.csv
expect 1 'nowhere/x.csv' "$twotrack" log export runs --csv nowhere/x.csv
expect 1 'file to write is empty' "$twotrack" log export runs --csv ''
expect 1 'runs: it is a folder' "$twotrack" log export runs --csv runs
expect 1 'device or a pipe' "$twotrack" log export runs --csv /dev/null
[ -c /dev/null ] || { echo 'FAILED: /dev/null is a device no more'; exit 1; }
expect 1 'name of a run is empty' "$twotrack" log export '' --csv x.csv
# a link stays, and leads to the new table; one to nothing is refused
ln -s some.csv link.csv
expect 0 'link.csv: 14 records' "$twotrack" log export runs --csv link.csv
[ -L link.csv ] && cmp all.csv some.csv || { echo 'FAILED: a link was replaced'; failed=1; }
ln -s x.csv nothing.csv
expect 1 'a symbolic link to nothing' "$twotrack" log export runs --csv nothing.csv
# a name that is no UTF-8 is told in letters that are
mkdir -p "named/$(printf 'gr\366\337e')" && cp runs/one/run.jsonl named/gr*
expect 0 'named.csv: 9 records' "$twotrack" log export named --csv named.csv
expect 0 '^gr.xF6.xDFe,valid' cat named.csv
expect 2 "'export'" "$twotrack" log
expect 2 "'export'" "$twotrack" log import runs --csv x.csv
expect 2 'at least one run' "$twotrack" log export --csv x.csv
expect 2 'csv' "$twotrack" log export runs
expect 2 "'--nonsense'" "$twotrack" log export runs --nonsense
expect 2 "after '--csv'" "$twotrack" log export runs --csv
expect 0 'usage: twotrack log export' "$twotrack" log --help
[ ! -e x.csv ] || { echo 'FAILED: a refused call left a file'; failed=1; }
exit $failed
