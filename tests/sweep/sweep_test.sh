#!/usr/bin/env bash
# twotrack sweep: what it makes of a file, what it refuses, and what it says of runs.   usage: sweep_test.sh TWOTRACK MAKE_STORE
configs=$(realpath "$(dirname "$0")/../../configs")
source "$(dirname "$0")/common.sh"

# ---- expansion ----
mkdir other
cat > sweep.cfg << END
base = "base.cfg"; out = "runs/"; store = "store";
set = ["train.steps=6", "data.noise=uniform"];
learning_rates = [0.002, 1e-5]; seeds = [1, 7];
sizes = (
  { name = "a"; model = { $model }; },
  { name = "b"; model = { $model dropout = 0; }; learning_rates = [0.5]; seeds = (3L); set = ["train.log_every=2"]; },
  { name = "c"; model = { preset = "cpu-tiny"; }; steps = [4, 8]; set = ["data.noise=none"]; }
);
END
sed -i 's/, *"train.steps=6"//; s/"train.steps=6", //' sweep.cfg
expect 0 '13 runs: 13 not started' "$twotrack" sweep sweep.cfg --dry-run
[ ! -e runs ] || fail '--dry-run wrote something'
expect 0 'sbatch runs/sweep.sbatch .*--array=1-13)' "$twotrack" sweep sweep.cfg
ls runs/configs > names
for name in {a,c-4steps,c-8steps}-lr{0.002,1e-05}-seed{1,7} b-lr0.5-seed3; do echo "$name.cfg"; done | LC_ALL=C sort > wanted
LC_ALL=C sort names | cmp - wanted || fail "the runs are others: $(cat names)"
# the longest first, numbered so
head -3 runs/runs.tsv | tail -2 | cut -f 1-6 | tr '\t' ' ' > first
printf '1 c-8steps-lr0.002-seed1 c 0.002 1 8\n2 c-8steps-lr0.002-seed7 c 0.002 7 8\n' | cmp - first || fail "first runs: $(cat first)"
# what counts over what: base, the sweep, the size
for want in 'noise = "uniform"' 'lanes = 1' 'layers = 1' 'preset = ""' 'learning_rate = 1e-05' 'seed = 7' 'store = "store"'; do
  grep -qF -- "$want;" runs/configs/a-lr1e-05-seed7.cfg || fail "a-lr1e-05-seed7 lacks $want"
done
grep -q 'noise = "none"' runs/configs/c-4steps-lr0.002-seed1.cfg || fail "a size's set does not win"
grep -q ' steps = 4;' runs/configs/c-4steps-lr0.002-seed1.cfg || fail 'steps are not set'
grep -q '  dropout = 0.0;' runs/configs/b-lr0.5-seed3.cfg || fail "model's other keys are lost"
# from elsewhere the base is found beside the sweep's file; --out and --store win
(cd other && expect 0 '13 not started' "$twotrack" sweep ../sweep.cfg --out here --store ../store)
grep -q 'store = "../store"' other/here/configs/b-lr0.5-seed3.cfg || fail '--store does not win'
cp -r runs before && expect 0 '13 not started' "$twotrack" sweep sweep.cfg && diff -r before runs || fail 'the same command changed files'

# what is not listed is not in the name
echo "base = \"base.cfg\"; sizes = ({ name = \"a\"; model = { $model }; }, { name = \"b\"; seeds = [5]; });" > plain.cfg
expect 0 '2 runs' "$twotrack" sweep plain.cfg --out plain --store store
[ "$(echo $(ls plain/configs))" = 'a.cfg b-seed5.cfg' ] || fail "names without axes: $(ls plain/configs)"

# ---- numbers and edits stay ----
sed -i 's/^#SBATCH --time=.*/#SBATCH --time=7:00/; s/^#SBATCH --array=.*/&%3/' runs/sweep.sbatch
sed -i 's/^sizes = (/&\n  { name = "d"; model = { preset = "cpu-base"; }; seeds = [1]; learning_rates = [0.1]; },/; /name = "b"/d' sweep.cfg
number=$(awk '$2 == "b-lr0.5-seed3" { print $1 }' runs/runs.tsv)
expect 0 '13 not started' "$twotrack" sweep sweep.cfg
grep -q "^14	d-lr0.1-seed1	d	0.1	1	8	4300912\$" runs/runs.tsv || fail "a new run does not come last: $(cat runs/runs.tsv)"
grep -q "^#$number	b-lr0.5-seed3\$" runs/runs.tsv || fail 'the number of a run that went is free'
cut -f 1-2 before/runs.tsv | grep -v b-lr | while read -r n name; do grep -q "^$n	$name	" runs/runs.tsv || echo "$name"; done > moved
[ ! -s moved ] || fail "runs have other numbers: $(cat moved)"
grep -q '^#SBATCH --time=7:00$' runs/sweep.sbatch || fail 'an edit is lost'
case $number in 1) left=2-14 ;; 14) left=1-13 ;; 2) left=1,3-14 ;; 13) left=1-12,14 ;; *) left=1-$((number - 1)),$((number + 1))-14 ;; esac
grep -q "^#SBATCH --array=$left%3\$" runs/sweep.sbatch || fail "array: $(grep -- --array= runs/sweep.sbatch), not $left%3"
expect 0 'array=' "$twotrack" sweep sweep.cfg --at-once 5
grep -q "^#SBATCH --array=$left%5\$" runs/sweep.sbatch || fail '--at-once'
sed -i 's/^#SBATCH --array=/# &/' runs/sweep.sbatch
expect 1 "runs/sweep.sbatch must have one line '#SBATCH --array=" "$twotrack" sweep sweep.cfg
echo x >> runs/runs.tsv
expect 1 'runs.tsv, line 16: ' "$twotrack" sweep sweep.cfg

# ---- refusals: file, line, and nothing written ----
refused() { # refused PATTERN TEXT
  rm -rf runs
  printf '%s\n' "$2" > bad.cfg
  expect 1 "$1" "$twotrack" sweep bad.cfg --out runs --store store
  [ ! -e runs ] && [ "$(wc -l < log)" = 1 ] || fail "'$2': something was written, or more than a line said: $(cat log)"
}
one="sizes = ({ name = \"a\"; model = { $model }; });"
refused 'bad.cfg: sizes must be a list' 'seeds = [1];'
refused 'bad.cfg:2: sizes must be a list' "
sizes = ();"
refused 'bad.cfg:2: "seed" is no key of a sweep; the nearest is "seeds"' "base = \"base.cfg\";
seed = [1]; $one"
refused 'bad.cfg:2: "modle" is no key of a size; the nearest is "model"' "
sizes = ({ name = \"a\"; modle = {}; });"
refused 'bad.cfg:3: unknown key model.layer; the nearest valid key is model.layers' "
sizes = ({ name = \"a\"; model = {
  layer = 1; }; });"
refused 'bad.cfg:1: model.layers must be an integer, not "3"' 'sizes = ({ name = "a"; model = { layers = "3"; }; });'
refused 'bad.cfg:1: optimizer.learning_rate = 2 is out of range' "learning_rates = [0.5, 2.0]; $one"
refused 'bad.cfg:1: train.seed must be an integer, not the real number 1.5' "seeds = [1.5]; $one"
refused 'bad.cfg:1: seeds must be integers in brackets' "seeds = 1; $one"
refused 'bad.cfg:1: learning_rates: value 2 is there twice' "learning_rates = [0.5, 0.5]; $one"
refused 'bad.cfg:1: --set train.stepz=4: unknown key train.stepz; the nearest valid key is train.steps' "set = [\"train.stepz=4\"]; $one"
refused 'bad.cfg:1: a sweep does not set train.seed so: write seeds' "set = [\"train.seed=4\"]; $one"
refused 'bad.cfg:1: size a has steps and train.steps=4' "steps = [5]; set = [\"train.steps=4\"]; $one"
refused 'bad.cfg:1: set must be strings' "set = [1]; $one"
refused 'bad.cfg:1: a size needs a name' 'sizes = ({ model = { preset = "84M"; }; });'
refused 'bad.cfg:1: the name "a/b" does not do' 'sizes = ({ name = "a/b"; });'
refused 'bad.cfg:1: the name "..." does not do' 'sizes = ({ name = "..."; });'
refused 'bad.cfg:2: there is a size "a" already, in line 1' 'sizes = ({ name = "a"; },
  { name = "a"; });'
refused 'two of its runs would have the folder a-5steps' 'sizes = ({ name = "a"; steps = [5]; set = ["optimizer.warmup_steps=1"]; },
  { name = "a-5steps"; });'
refused 'bad.cfg:[12]: .*syntax error' 'sizes = ({'
refused 'bad.cfg:1: base must be' "base = \"\"; $one"
refused 'bad.cfg: base: cannot open ./missing.cfg' "base = \"missing.cfg\"; $one"
refused 'bad.cfg:1: the name "logs" does not do' 'sizes = ({ name = "logs"; });'
refused 'bad.cfg:1: the name "runs.tsv" does not do' 'sizes = ({ name = "runs.tsv"; });'
# keys that do not fit together are the configuration's to refuse, of every run before one is written
refused 'bad.cfg:2: size b: --set train.steps=1: optimizer.warmup_steps = 2 must be below train.steps = 1' "base = \"base.cfg\"; sizes = ({ name = \"a\"; model = { $model }; },
  { name = \"b\"; steps = [8, 1]; });"
refused 'bad.cfg:1: size a: .*model.preset.*model.ffn_dim' 'sizes = ({ name = "a"; model = { layers = 1; embed_dim = 8; heads = 1; pair_dim = 8; pair_hidden = 4; }; });'
echo "$one" > bad.cfg
expect 1 'bad.cfg does not say where its runs are' "$twotrack" sweep bad.cfg
expect 1 'bad.cfg names no store' "$twotrack" sweep bad.cfg --out runs
expect 2 'one file' "$twotrack" sweep
expect 2 'name of the file .* is empty' "$twotrack" sweep ''
expect 2 "'--nonsense'" "$twotrack" sweep bad.cfg --nonsense
expect 2 'jobs must be an integer from 1' "$twotrack" sweep bad.cfg --jobs 0
expect 2 'exclude' "$twotrack" sweep bad.cfg --run --dry-run
expect 0 'usage: twotrack sweep' "$twotrack" sweep --help

# ---- states: of runs that were made by hand ----
cat > sweep.cfg << END
base = "base.cfg"; out = "runs"; store = "store"; learning_rates = [0.002]; seeds = [1, 2, 3, 4, 5, 6];
sizes = ({ name = "a"; model = { $model }; });
END
train() { # train SEED OPTIONS...
  local seed=$1
  shift
  "$twotrack" train base.cfg --out "runs/a-lr0.002-seed$seed" --store store $sets --set optimizer.learning_rate=0.002 \
    --set train.seed="$seed" "$@" > log 2>&1 || fail "train: $(cat log)"
}
rm -rf runs
train 1 && train 2 && train 3 --set model.dropout=0.2
cp -r runs/a-lr0.002-seed2 whole
# 2: stopped after update 5; 4: as if killed before anything was logged; 5: while its log was begun
sed -i '/"step":[678],/d' runs/a-lr0.002-seed2/run.jsonl && rm runs/a-lr0.002-seed2/checkpoints/*8.h5
mkdir -p runs/a-lr0.002-seed4/checkpoints runs/a-lr0.002-seed5
printf '{"type":"ru' > runs/a-lr0.002-seed5/run.jsonl
cat > wanted << 'END'
a-lr0.002-seed1 done 8
a-lr0.002-seed2 partly_done 5
a-lr0.002-seed3 other 0
a-lr0.002-seed4 not_started 0
a-lr0.002-seed5 not_started 0
a-lr0.002-seed6 not_started 0
END
states | diff wanted - || fail 'states of runs'
expect 0 "it was trained with 'model.dropout = 0.2', not 'model.dropout = 0.1'" "$twotrack" sweep sweep.cfg
grep -q 'Time left, 1 run at once' log || fail "no time left: $(cat log)"
grep -q '^#SBATCH --array=2,4-6$' runs/sweep.sbatch || fail "what is left: $(grep array= runs/sweep.sbatch)"
# the last update without its validation, or its checkpoint, is not the end
sed -i '/"valid","step":8/d' runs/a-lr0.002-seed1/run.jsonl
states | grep -q 'seed1 partly_done 8' || fail 'done without the last validation'
cp whole/run.jsonl runs/a-lr0.002-seed2/ && sed -i '/"save","step":8/d' runs/a-lr0.002-seed2/run.jsonl
states | grep -q 'seed2 partly_done 8' || fail 'done without the last checkpoint'
# a failure counts until the run has come further
sed -i '/"step":[678],/d' runs/a-lr0.002-seed2/run.jsonl
echo '{"checkpoint":4,"step":5,"rank":0,"message":"the disk is full"}' > runs/a-lr0.002-seed2/failures.jsonl
states | grep -q 'seed2 failed 5' || fail 'not failed'
expect 0 'the disk is full' "$twotrack" sweep sweep.cfg
cp whole/run.jsonl runs/a-lr0.002-seed2/
states | grep -q 'seed2 done 8' || fail 'still failed'
# somebody trains it
mkdir -p runs/a-lr0.002-seed6
flock runs/a-lr0.002-seed6 "$twotrack" sweep sweep.cfg > log 2>&1
grep -q 'seed6 .*running' log && grep -q '^#SBATCH --array=1,4-5$' runs/sweep.sbatch || fail "running: $(cat log)"
# a log that is none; another store; one that is missing is no error
echo '{"type":"step"}' > runs/a-lr0.002-seed5/run.jsonl
states | grep -q 'seed5 other 0' || fail 'a log that is none'
"$make_store" store-2 801 70 || exit 1
expect 0 "it was trained on another store's molecules" "$twotrack" sweep sweep.cfg --dry-run --store store-2
expect 0 'warning: cannot open nowhere/manifest.json' "$twotrack" sweep sweep.cfg --dry-run --store nowhere
expect 1 'cannot open nowhere/manifest.json' "$twotrack" sweep sweep.cfg --run --store nowhere

# ---- the examples ----
for example in zinc:56 zinc-seeds:8 nci:24 quickstart:7 paper:6; do
  expect 0 "^${example#*:} runs: ${example#*:} not started" "$twotrack" sweep "$configs/sweep-${example%:*}.cfg" --dry-run --store nowhere
done
finish
