#!/usr/bin/env bash
# twotrack sweep --run and the Slurm script: all is trained, whatever stops it in the middle.   usage: sweep_run_test.sh TWOTRACK MAKE_STORE
source "$(dirname "$0")/common.sh"

sweep() { # sweep FILE STEPS
  cat > "$1" << END
base = "base.cfg"; out = "runs"; store = "store"; steps = [$2]; learning_rates = [0.002]; seeds = [1, 2]; set = ["train.checkpoint_every=10"];
sizes = ({ name = "a"; model = { $model }; },
  { name = "b"; model = { $model dropout = 0.2; }; seeds = [1]; });
END
}
curve() { grep -E '"type":"(step|valid)"' "$1/run.jsonl" | sed -E 's/,"(samples_per_s|data_s)":[^,}]*//g'; }
same() { # same FOLDER FOLDER: the same three runs
  for run in "$1"/[ab]-*; do
    [ -s "$run/run.jsonl" ] && diff <(curve "$run") <(curve "$2/${run##*/}") > log || fail "$run differs from $2: $(head -c 400 log)"
  done
  [ "$(ls -d "$1"/[ab]-*/run.jsonl | wc -l)" = 3 ] || fail "$1 has not three runs"
}
logged() { grep -hs '"type":"step"' runs/*/run.jsonl | wc -l; }
until_some_steps() { # waits until something is trained
  for _ in $(seq 600); do [ "$(logged)" -ge "${1:-1}" ] && return; sleep 0.05; done
  fail 'nothing is trained'
}
until_nobody_trains() {
  for _ in $(seq 600); do states | grep -q running || return; sleep 0.05; done
  fail 'somebody still trains'
}

# ---- undisturbed: two at once; then there is nothing to do ----
sweep sweep.cfg 40
expect 0 '^3 runs: 3 done$' "$twotrack" sweep sweep.cfg --run --jobs 2
[ "$(grep -c '^started  ' log)" = 3 ] && [ "$(grep -c '^done     .*loss' log)" = 3 ] || fail "starts and ends: $(cat log)"
grep -q 'validation after 40 updates' runs/logs/b-40steps-lr0.002-seed1.log || fail "a run's output is not kept"
before=$(cat runs/*/run.jsonl | cksum)
expect 0 '^3 runs: 3 done$' "$twotrack" sweep sweep.cfg --run
[ "$before" = "$(cat runs/*/run.jsonl | cksum)" ] && ! grep -q started log || fail "finished runs were started again"
"$twotrack" sweep sweep.cfg --run --json 2> /dev/null | python3 -c '
import json, sys
o = json.load(sys.stdin)
assert o["counts"]["done"] == 3 and o["left"] == 0 and o["seconds_left"] == 0 and o["array"] == "", o
assert all(r["valid_loss"] > 0 and r["checkpoint"] == 40 == r["step"] == r["steps"] for r in o["runs"]), o' || fail '--json'
mv runs whole

# ---- stopped in the middle: by a signal to sweep alone, by its death; each time the same command goes on ----
"$twotrack" sweep sweep.cfg --run --jobs 2 > log 2>&1 &
sweeping=$!
until_some_steps
kill -TERM $sweeping
wait $sweeping
[ $? = 75 ] && grep -q '^Stopped; the same command goes on' log && grep -q 'signal 15: ending the runs' log || fail "stopped: $(cat log)"
states | grep -q running && fail 'a run goes on after its sweep was stopped'
grep -q '"type":"stop".*SIGUSR1' runs/*/run.jsonl || fail "no run was asked to save: $(cat log runs/logs/*)"
reached=$(logged)
TWOTRACK_END_TIME=1 expect 75 '^Stopped; the same command goes on' "$twotrack" sweep sweep.cfg --run # no time is left, which is no failure
[ "$(grep -c '^started' log)" = 1 ] && ! grep -qi failed log || fail "without time: $(cat log)"
"$twotrack" sweep sweep.cfg --run --jobs 2 > log 2>&1 &
sweeping=$!
until_some_steps $((reached + 1))
kill -STOP $sweeping # so that it is not done before anybody has looked
flock -n runs true && fail 'a sweep that trains has not locked its folder'
kill -KILL $sweeping
wait $sweeping 2> /dev/null
until_nobody_trains
expect 1 'another job is writing to runs' flock runs "$twotrack" sweep sweep.cfg --run # two at a time is one too many
expect 0 '^3 runs: 3 done$' "$twotrack" sweep sweep.cfg --run
same whole runs

# ---- a run that cannot be trained does not stop the others ----
rm -rf runs
sed -i 's/seeds = \[1\]; }/seeds = [1]; set = ["data.max_atoms=2"]; }/' sweep.cfg
expect 1 '^failed: b-40steps-lr0.002-seed1: exit 1: .*max_atoms' "$twotrack" sweep sweep.cfg --run --jobs 3
grep -q '^3 runs: 2 done, 1 not started$' log || fail "a run that fails: $(cat log)"
# one of another configuration is left as it is
rm -rf runs/b-* && cp -r whole/b-40steps-lr0.002-seed1 runs/
before=$(cat runs/*/run.jsonl | cksum)
expect 1 '2 done, 1 another run$' "$twotrack" sweep sweep.cfg --run
[ "$before" = "$(cat runs/*/run.jsonl | cksum)" ] || fail 'another run was changed'
# a program that is not there; a launcher
sweep sweep.cfg 40
rm -rf runs
expect 2 'no program ./nothing that could be started' "$twotrack" sweep sweep.cfg --run --launch './nothing -n 1'
expect 2 'no program no-such-program' "$twotrack" sweep sweep.cfg --run --launch 'no-such-program'
[ "$(ls runs/logs)" = '' ] || fail 'a run was started by a launcher that is not there'
# what failed is told of this start, not of one before
printf '#!/bin/sh\nkill -9 $$\n' > launcher && chmod +x launcher
for run in $(awk 'NR > 1 { print $2 }' runs/runs.tsv); do echo 'error: of yesterday' > "runs/logs/$run.log"; done
expect 1 'FAILED   a-40steps-lr0.002-seed1: ended by signal 9: see runs/logs/a-40steps-lr0.002-seed1.log$' \
  "$twotrack" sweep sweep.cfg --run --launch ./launcher
printf '#!/bin/sh\necho "launched with $1 $2"\nshift 2\nexec "$@"\n' > launcher && chmod +x launcher
expect 0 '^3 runs: 3 done$' "$twotrack" sweep sweep.cfg --run --launch './launcher -n  2'
grep -q '^launched with -n 2$' runs/logs/a-40steps-lr0.002-seed1.log || fail 'no launcher'
same whole runs
expect 2 'started by mpirun or srun' env PMIX_RANK=0 "$twotrack" sweep sweep.cfg --run

# ---- the Slurm script, with an srun that only notes its options ----
rm -rf runs
mkdir bin
printf '#!/bin/sh\necho "srun $1"\nshift\nexec "$@"\n' > bin/srun && chmod +x bin/srun
expect 0 'array=1-3' "$twotrack" sweep sweep.cfg
task() { (cd / && PATH=$work/bin:$PATH SLURM_ARRAY_TASK_ID=$1 bash "${2:-$work}/runs/sweep.sbatch"); } # task NUMBER [FOLDER]
bash -n runs/sweep.sbatch || fail 'the script is none'
expect 0 "run 2, $(awk '$1 == 2 { print $2 }' runs/runs.tsv), on .*; its output:" task 2
expect 0 'array=1,3)' "$twotrack" sweep sweep.cfg
grep -q '^#SBATCH --array=1,3$' runs/sweep.sbatch || fail 'the line of --array was not renewed'
expect 0 'run 3, ' task 3
expect 0 'run 1, ' task 1
expect 0 'run 1, ' task 1 # requeued though it is done
expect 0 'has no run 9' task 9
expect 1 'SLURM_ARRAY_TASK_ID: is set in tasks' bash runs/sweep.sbatch
same whole runs
grep -q '^srun --kill-on-bad-exit=1$' runs/logs/a-40steps-lr0.002-seed1.log || fail 'srun is not what starts it'
expect 0 '^3 runs: 3 done$' "$twotrack" sweep sweep.cfg
grep -q '^#SBATCH --array=1,3$' runs/sweep.sbatch || fail 'a script was written for nothing'
# names that a shell or sbatch would take apart
mkdir "it's 100% \"x\" \$HOME" && cd "it's 100% \"x\" \$HOME" || exit 1
expect 0 '3 runs: 3 not started' "$twotrack" sweep ../sweep.cfg --store ../store
task 1 "$PWD" > ../log 2>&1 || fail "a strange folder: $(cat ../log)"
expect 0 '1 done, 2 not started' "$twotrack" sweep ../sweep.cfg --store ../store
cd ..
finish
