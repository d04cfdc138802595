#!/bin/bash
# twotrack fit: what its report, JSON and figures hold, and what is refused.   usage: fit_test.sh TWOTRACK
# (The fit, its intervals and the choice of points have tests of their own in scaling/.)
set -u
twotrack=$(realpath "$1")
. "$(dirname "$(realpath "$0")")/expect.sh"
cd "$folder" || exit 1

# make_table SIZES SAMPLES: losses of 1.7 + 40 / N^0.3 + 300 / D^0.4, off by up to 0.2 %, always the same
make_table() {
  awk -v sizes="$1" -v samples="$2" 'BEGIN {
    print "run,size,samples,steps,loss"
    n = split(sizes, size, " "); m = split(samples, sample, " ")
    for (i = 1; i <= n; i++) for (k = 1; k <= m; k++) {
      bad = ((i * 7 + k * 11) * 13 % 17 - 8) / 4000
      printf "r%d-%d,%g,%g,%g,%.12g\n", i, k, size[i], sample[k], sample[k] / 16,
        (1.7 + 40 / size[i] ^ 0.3 + 300 / sample[k] ^ 0.4) * (1 + bad)
    }
  }'
}
all="1e4 3e4 1e5 3e5 1e6 3e6 1e7"
make_table "$all" "1e3 3e3 1e4 3e4 1e5" >table.csv
fit() { "$twotrack" fit --table table.csv --law chinchilla --resamples 200 "$@"; }
# near NAME VALUE SHARE: the report in $folder/out has a constant that near
near() {
  awk -v name="$1" -v value="$2" -v share="$3" \
    '$1 == name && $2 > value * (1 - share) && $2 < value * (1 + share) { found = 1 } END { exit !found }' out ||
    { echo "FAILED: $1 is not near $2:"; cat out; failed=1; }
}
says() { # says FILE COUNT PATTERN: as many lines have it
  found=$(grep -c -- "$3" "$1")
  [ "$found" = "$2" ] || { echo "FAILED: $1 has $found, not $2, lines with: $3"; failed=1; }
}

# the report: constants found again, every part there
expect 0 '^data  *35 rows of table.csv$' fit --at E=1.7,A=40,alpha=0.3,B=300,beta=0.4
near E 1.7 0.02
near A 40 0.2
near alpha 0.3 0.06
near B 300 0.2
near beta 0.4 0.05
says out 1 '^fitted .* 35 points of 7 sizes, 10k to 10M, in 35 independent groups$'
says out 1 ' at the constants of --at$'
says out 1 '^constant .* 95 % interval'
says out 1 '^intervals: .* 200 refits to 35 points'
says out 1 '^correlation '
says out 1 '^10M  *5 .* r7-[1-5], step [0-9]*$'
# the optimum is no worse than any other constants, the true ones too
awk '/^objective/ { ours = $NF } / at the constants of --at$/ { exit !(ours > 0 && ours < $1) }' out ||
  { echo "FAILED: objectives"; cat out; failed=1; }

# sizes that were all trained to about D = 20 N: the terms of N and D can change places, within noise, and the lowest
# minimum is the wrong one here; exactly D = 20 N: they change places without a trace. E is known all the same.
make_ray() { # make_ray JITTER NOISE
  awk -v jitter="$1" -v noise="$2" 'BEGIN {
    print "size,samples,loss"
    for (i = 1; i <= 30; i++) {
      n = 10 ^ (4 + 4 * (i - 1) / 29); d = 20 * n * (1 + jitter * (i * 55 % 19 - 9) / 9)
      printf "%.9g,%.9g,%.9g\n", n, d, (1.7 + 40 / n ^ 0.3 + 300 / d ^ 0.4) * (1 + noise * (i * 91 % 17 - 8) / 8)
    }
  }'
}
for ray in "0.05 0.001" "0.05 0.002" "0 0.00001"; do
  make_ray $ray >ray.csv
  expect 0 'size and samples go together .* correlate at ' "$twotrack" fit --table ray.csv --law chinchilla --resamples 100
  says out 4 '^[A-Za-z]* *not identified$'
  near E 1.7 0.01
done
# a run that stands twice
expect 0 '^- 5 rows repeat another in all' sh -c "tail -n 5 table.csv | cat table.csv - | sed 's/^r[0-9]*-/&x/' >twice.csv; \
  '$twotrack' fit --table twice.csv --law chinchilla --resamples 100 --columns run=run"
# losses that are all equal have no R squared
sed 's/[^,]*$/2/; 1s/2$/loss/' table.csv >flat.csv
expect 0 '^goodness  *R2 -, rms of log residuals 0,' "$twotrack" fit --table flat.csv --law chinchilla --resamples 100
expect 2 'seed takes a whole number from 0 to 9223372036854775807, not' fit --seed 9223372036854775808

# the same again is the same to the last digit; another seed finds the same optimum by other refits
fit --json >one.json && fit --json >two.json && fit --json --seed 2 >three.json || failed=1
cmp one.json two.json || failed=1
cmp -s one.json three.json && echo "FAILED: --seed does nothing" && failed=1
[ "$(grep '"objective"' one.json | cut -c1-26)" = "$(grep '"objective"' three.json | cut -c1-26)" ] ||
  { echo "FAILED: the optimum depends on the seed"; failed=1; }
says one.json 5 '"identified": true'
says one.json 35 '"residual": '
says one.json 5 '"reason": null'
says one.json 1 '"hold_out": null'

# hold-out: 5 points, predicted by a law that has not seen them
expect 0 '^held out: 1 size from 10M on, predicted by the law of sizes up to 3M$' fit --hold-out 1
says out 1 'fitted  *30 points of 6 sizes, 10k to 3M, in 30 independent groups; 5 points of the largest 1 held out'
says out 5 '^10M .* %  \(yes\|no\)$'
says out 1 '^mean relative error 0\.[0-9]* % of 5 points; [0-5] of 5 inside the 95 % prediction interval$'

# predictions, with how far they reach
expect 0 '^1B  *1M ' fit --predict size=1e9,samples=1e6 --predict size=1e5,samples=1e4
says out 1 'size is 100 times the largest fitted, samples is 10 times the largest fitted'
says out 1 '^- a prediction 100 times beyond'
# of the published law, without data
expect 0 '^570M  *810k  *0\.08851[0-9]*$' "$twotrack" fit --law uni-mol2 --at paper --predict size=5.7e8,steps=810000
expect 0 '^1.1B  *810k  *0\.08748[0-9]*$' "$twotrack" fit --law uni-mol2 --at paper --predict size=1.1e9,steps=8.1e5

# what is not identified has no digits, but a reason
make_table "1e5 2e5 4e5 8e5" "1e3 1e4 3e4 1e5" >narrow.csv
expect 0 '^A, alpha not identified: size spans only a factor of 8' \
  "$twotrack" fit --table narrow.csv --law chinchilla --resamples 100
says out 1 '^alpha  *not identified$'
says out 1 '^- not identified by these points: '
"$twotrack" fit --table narrow.csv --law chinchilla --resamples 100 --json >narrow.json || failed=1
grep -A 1 '"name": "alpha"' narrow.json | grep -q '"identified": false' || { echo "FAILED: narrow.json"; failed=1; }
grep -A 2 '"name": "alpha"' narrow.json | grep -q '"value": null' || { echo "FAILED: narrow.json"; failed=1; }

# the law power takes samples; size where samples are all the same
expect 0 'L = E + A / D^alpha$' "$twotrack" fit --table table.csv --law power --resamples 100
make_table "$all" "1e4" >one_length.csv
expect 0 'L = E + A / N^alpha$' "$twotrack" fit --table one_length.csv --law power --resamples 100
expect 0 'L = E + A / S^alpha$' "$twotrack" fit --table table.csv --law power --variable steps --resamples 100

# the figure: text is text, points are discs (a held-out one two), in both frames
expect 0 '^held out' fit --hold-out 1 --out figure.svg --title 'A <law>'
for text in 'A &lt;law&gt;' 'Constants, 95 % intervals' '35 rows of table.csv' 'schedule: not known' 'D: samples seen' \
  'ln(loss / law)' 'held out' 'its 95 % prediction interval' '10M'; do
  grep -qF -- ">$text</text>" figure.svg || { echo "FAILED: figure.svg does not say '$text'"; failed=1; }
done
group() { # group CLASS PATTERN COUNT
  found=$(awk -v c="class=\"$1\"" 'index($0, c) { on = 1 } on { print } /^<\/g>/ { on = 0 }' figure.svg | grep -c -- "$2")
  [ "$found" = "$3" ] || { echo "FAILED: group $1 has $found, not $3, of $2"; failed=1; }
}
group fitted '<circle' 30
group held-out '<circle' 10
group residuals '<circle' 40
group interval '<polygon' 1
group law '<polyline' 21 # each size: where it has points, and beyond on both sides
# many sizes: a bar of colours in place of names
make_table "$(seq -s ' ' 10000 40000 800000)" "1e3 1e4 1e5" >many.csv
expect 0 'data' "$twotrack" fit --table many.csv --law chinchilla --resamples 100 --out figure.svg
group law '<polyline' 7
group fitted '<circle' 60
grep -q '>130k</text>' figure.svg && echo 'FAILED: a name a size beside a bar' && failed=1
expect 0 'data' fit --out figure.png
[ "$(head -c 20 figure.png | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a0000000d4948445200000780 ] ||
  { echo "FAILED: figure.png is not a PNG 1920 wide"; failed=1; }

# names in another encoding than UTF-8: nothing is left out of the JSON, and figures are whole
latin=$(printf 'Gr\366\337e')
LC_ALL=C sed -e "1s/size/$latin/" -e "2,\$s/^r/r$latin /" table.csv >latin.csv
latin() { "$twotrack" fit --table latin.csv --law chinchilla --columns "size=$latin" --resamples 100 "$@"; }
expect 0 '"size": "column Gr\\\\xF6\\\\xDFe"' latin --json
says out 35 '"group": "rGr\\\\xF6\\\\xDFe'
expect 0 '^size ' latin --out figure.svg
grep -qF 'column Gr\xF6\xDFe</text>' figure.svg || { echo "FAILED: figure.svg does not name its column"; failed=1; }
LC_ALL=C grep -q "$latin" figure.svg && echo 'FAILED: figure.svg is no UTF-8' && failed=1
expect 0 '^size ' latin --out figure.png

# runs are told apart by their whole names, however long
sed "2,\$s/^r/$(printf '%0140d' 0)/" table.csv >long.csv
expect 0 'in 35 independent groups$' "$twotrack" fit --table long.csv --law chinchilla --resamples 100

# wrong usage
expect 2 'law is missing' "$twotrack" fit --table table.csv
expect 2 "chinchilla, uni-mol2 or power, not 'kaplan'" "$twotrack" fit --table table.csv --law kaplan
expect 2 'name at least one run' "$twotrack" fit --law chinchilla
expect 2 'not both' fit some/run
expect 2 "no option '--nonsense'" fit --nonsense
expect 2 "after '--out'" fit --out
expect 2 "whole number from 40 to 1000000, not '5'" fit --resamples 5
expect 2 'from 0.5 to 0.999' fit --confidence 95
expect 2 'the law power' fit --variable size
expect 2 "no constant 'F'" fit --at E=1,A=2,alpha=3,B=4,F=5
expect 2 'at: beta is missing' fit --at E=1,A=2,alpha=3,B=4
expect 2 'no constants of the law power' "$twotrack" fit --table table.csv --law power --at paper
expect 2 'needs samples' fit --predict size=1e9
expect 2 "NAME=VALUE,NAME=VALUE,..., not 'size'" fit --predict size
expect 2 'not both' fit --from-step 5 --skip-fraction 0.5
expect 2 'needs data' "$twotrack" fit --law uni-mol2 --at paper --predict size=1e9,steps=1e5 --out x.svg
# failures
expect 1 'missing.csv' "$twotrack" fit --table missing.csv --law chinchilla
expect 1 'no flops, which the law power needs (--columns' "$twotrack" fit --table table.csv --law power --variable flops
expect 1 'held out' fit --hold-out 7
expect 1 '^twotrack fit: 35 rows of table.csv: 3 points for the 5 constants of the law chinchilla are too few (all rows' fit --leave-out-highest 32
expect 1 'x.pdf.*\.png or \.svg' fit --out x.pdf
expect 1 'nowhere/x.svg' fit --out nowhere/x.svg
mkdir folder.png
expect 1 'folder.png: it is a folder' fit --out folder.png
expect 1 'name of the table is empty' "$twotrack" fit --table '' --law chinchilla
expect 2 'seed takes a whole number' fit --seed 99999999999999999999
expect 2 'at: E is there twice' fit --at E=1,E=2,A=1,alpha=1,B=1,beta=1
expect 2 'predict: size is there twice' fit --predict size=1,size=2,samples=3
expect 1 'columns.* size is there twice' fit --columns size=size,size=steps
# two columns of one name, whichever letters are large; naming one decides
sed '1s/steps/Loss/' table.csv >twice.csv
expect 1 "twice.csv, line 1: the columns 'Loss' and 'loss' have one name" "$twotrack" fit --table twice.csv --law chinchilla
expect 0 "loss 'loss'" "$twotrack" fit --table twice.csv --law chinchilla --columns loss=loss --resamples 100
tr '\n' '\r' <table.csv >returns.csv
expect 1 'returns.csv ends its lines with carriage returns' "$twotrack" fit --table returns.csv --law chinchilla
# a point that lacks what the law needs
awk -F, -v OFS=, 'NR == 5 { $3 = "" } { print }' table.csv >hole.csv
expect 0 '^- 1 of 35 points are left out: their samples are not known$' \
  "$twotrack" fit --table hole.csv --law chinchilla --resamples 100
says out 1 '^fitted  *34 points'
expect 0 '^usage: twotrack fit' "$twotrack" fit --help

[ $failed = 0 ] && echo 'fit: all well'
exit $failed
