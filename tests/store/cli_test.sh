#!/bin/sh
# twotrack store info and verify: what they print, and their exit codes. $1: twotrack, $2: make_store
twotrack=$1 make_store=$2
. "$(dirname "$0")/../expect.sh"

"$make_store" "$folder/s" 700 50 || exit 1
expect 0 '^train  *700  *3  *2 ' "$twotrack" store info "$folder/s"
expect 0 '^valid  *50  *1  *1 ' "$twotrack" store info "$folder/s"
expect 0 '"records": 700' "$twotrack" store info "$folder/s" --json
expect 0 '3 of 3 shards are sound' "$twotrack" store verify "$folder/s"
expect 0 '"ok": true' "$twotrack" store verify --json "$folder/s"

printf 'x' | dd of="$folder/s/shard-00001.h5" bs=1 seek=20000 conv=notrunc 2>/dev/null
expect 0 '^digest' "$twotrack" store info "$folder/s"
expect 1 '^BROKEN.*shard-00001.h5.*restore' "$twotrack" store verify "$folder/s"
expect 1 '^ok  *shard-00002.h5' "$twotrack" store verify "$folder/s"
expect 1 '2 of 3 shards are sound' "$twotrack" store verify "$folder/s"
expect 1 '"ok": false' "$twotrack" store verify --json "$folder/s"

sed -i 's/"records": 50/"records": 51/' "$folder/s/manifest.json"
expect 1 'manifest.json.*damaged' "$twotrack" store info "$folder/s"
expect 1 'manifest.json' "$twotrack" store verify "$folder/nowhere"

# A path that is no UTF-8 text (Latin-1 here) is JSON all the same.
folder2=$(printf '%s/caf\351' "$folder")
"$make_store" "$folder2" 300 0 || exit 1
expect 0 'caf..xE9"' "$twotrack" store info "$folder2" --json
expect 0 'caf..xE9"' "$twotrack" store verify "$folder2" --json
expect 1 'no UTF-8 text; rename' "$twotrack" bench loader --store "$folder2"
if [ -c /dev/full ]; then
  expect 1 'nothing said' sh -c "'$twotrack' store verify '$folder2' --json > /dev/full || { echo nothing said; exit 1; }"
fi

for command in info verify; do
  expect 0 '^usage' "$twotrack" store $command --help
  expect 2 'name one store' "$twotrack" store $command
  expect 2 "no option '--fast'" "$twotrack" store $command "$folder/s" --fast
done
expect 0 '^usage' "$twotrack" store --help
expect 2 "no command 'mend'" "$twotrack" store mend
exit $failed
