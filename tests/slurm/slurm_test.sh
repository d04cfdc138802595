#!/usr/bin/env bash
# Runs on a Slurm cluster of two nodes, each disturbed in another way, at the same time where the nodes allow it: each comes back
# by itself and ends with the digest of an undisturbed run.   usage: slurm_test.sh TWOTRACK MAKE_STORE SLOW PRETRAIN [PART...]
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/cluster.sh"
cluster_enter "$0" "$@"
twotrack=$(realpath "$1") make_store=$(realpath "$2") slow=$(realpath "$3") pretrain=$(realpath "$4")
here=$(cd "$(dirname "$0")" && pwd)
cluster_up || exit 1
mkdir "$cluster/work" && cd "$cluster/work" || exit 1
source "$here/common.sh"

"$make_store" store 800 70 || exit 1
cat > small.cfg << 'END'
model = { preset = "cpu-tiny"; };
data = { lanes = 1; };
train = { steps = 60; batch_size = 32; micro_batches = 8; max_pairs = 600; log_every = 1; checkpoint_every = 10; };
optimizer = { warmup_steps = 2; };
validation = { every = 50; molecules = 32; };
END
sleepy_program slowly 15
"$twotrack" train small.cfg --store store --out whole > log 2>&1 || { cat log; exit 1; }

# ---- one after the other in each of these, all of them beside each other ----
undisturbed() {
  submit srun RANKS=2 PREFLIGHT=30
  done_and_equal 'none: srun, 2 nodes x 2 ranks' srun 1
}
under_mpirun() { # and a job that waits until it is done
  submit mpirun RANKS=2 LAUNCHER=mpirun PREFLIGHT=30
  after=$(sbatch --parsable --dependency=afterok:"$(job mpirun)" --output=after.log --wrap "$twotrack checkpoint digest mpirun")
  done_and_equal 'none: mpirun, 2 nodes x 2 ranks' mpirun 1
  until_true 'the job that waits' grep -q . after.log
  [[ $(cat after.log) == $(digest whole) ]] || fail "afterok: job $after printed $(cat after.log)"
}
signal_to_ranks() {
  submit signal
  disturb 'scancel --signal=TERM' signal scancel --signal=TERM "$(job signal)"
}
signal_to_shell() {
  submit shell LAUNCHER=mpirun
  disturb 'scancel --batch --signal=USR1, mpirun' shell scancel --batch --signal=USR1 "$(job shell)"
}
requeued() {
  submit requeued
  disturb 'scontrol requeue' requeued scontrol requeue "$(job requeued)"
}
successor() { # a job that may not be queued again
  submit chain MORE=--no-requeue
  disturb 'USR1 where requeue is refused' chain scancel --batch --signal=USR1 "$(job chain)"
  grep -q 'queued again' chain.log && fail 'a job was queued again that may not be'
  [[ $(grep -o 'job [0-9]*, start' chain.log | sort -u | wc -l) == 2 ]] || fail "no successor: $(cat chain.log)"
}
cancelled() { # stays away, but loses nothing
  submit cancelled
  disturb_only cancelled scancel "$(job cancelled)"
  until_true 'the end of a cancelled job' state_is "$(job cancelled)" CANCELLED
  (($(starts cancelled) == 1)) || fail "a cancelled job came back: $(cat cancelled.log)"
  submit cancelled
  done_and_equal 'scancel, submitted again' cancelled 2
}
time_limit() { # no signal comes: the program itself knows when the time is over
  submit limit NODES=1 RANKS=2 TIME=1 MORE='--nodelist=n1 --signal=B:CONT@1' TT_TEST_SLOW_MS=40 SETUP='((TWOTRACK_RESTART > 0)) || sleep 30'
  disturb_at=1 disturb 'time limit' limit true
}
no_progress() { # is killed before its first checkpoint, each time, once it has noted its start
  cat > doomed.sh << 'END'
#!/bin/bash
./slowly "$@" &
until (($(wc -l < doomed/starts.jsonl) > TWOTRACK_RESTART)); do
  kill -0 $! || { wait $!; exit; }
  sleep 0.1
done 2> /dev/null
kill -KILL $! $$
END
  chmod +x doomed.sh
  submit doomed NODES=1 RANKS=2 TWOTRACK="$PWD/doomed.sh" TT_TEST_SLOW_MS=200
  until_true 'the end of a run without progress' grep -q 'which starting again would not change' doomed.log
  grep -q 'error:.*starts.jsonl' doomed.log || fail "no word of no progress: $(cat doomed.log)"
  table 'killed before each checkpoint' "$(starts doomed)" - - - 'refused'
}
no_start() { # what is launched never comes to train: it is killed, or says that all is well
  local name
  printf '#!/bin/sh\nkill -9 $$\n' > dies.sh
  printf '#!/bin/sh\nexit 0\n' > idle.sh
  chmod +x dies.sh idle.sh
  for name in dies idle; do submit $name NODES=1 TWOTRACK="$PWD/$name.sh"; done
  for name in dies idle; do
    until_true 'the end of a run that cannot start' grep -q 'three times in a row' $name.log
    table "a program that never starts ($name)" "$(starts $name)" - - - 'refused'
  done
}
bad_node() { # the second node does not see the store
  local begun
  cp -r store hidden
  on_node n2 mount -t tmpfs tmpfs "$PWD/hidden"
  begun=$(now)
  submit hidden STORE=hidden PREFLIGHT=10
  until_true 'the end of a test of the nodes' grep -q 'did not pass the test' hidden.log
  grep -q 'n2.*hidden' hidden.log && [[ ! -e hidden/run.jsonl ]] || fail "the bad node: $(cat hidden.log)"
  table 'a node without the store' "$(starts hidden)" - "$(since "$begun")" - 'named'
}
sweep() {
  cat > sweep.cfg << 'END'
base = "small.cfg"; out = "law"; store = "store"; steps = [60]; learning_rates = [0.002]; seeds = [1, 2];
sizes = ({ name = "a"; model = { preset = "cpu-tiny"; }; });
END
  "$twotrack" sweep sweep.cfg > sweep.log || fail "sweep: $(cat sweep.log)"
  sed -i "s|^twotrack=.*|twotrack=$PWD/slowly|" law/sweep.sbatch
  sed -i 's/^#SBATCH --ntasks=1/#SBATCH --ntasks=2/' law/sweep.sbatch
  local run=a-60steps-lr0.002-seed1 array
  array=$(sbatch --parsable --time=5 law/sweep.sbatch)
  until_step "law/$run" 25
  scancel --signal=TERM "${array}_1"
  "$twotrack" train "law/configs/$run.cfg" --out apart > sweep.log 2>&1 || fail "sweep: $(cat sweep.log)"
  until_true 'the sweep' all_of_sweep
  cat law/logs/slurm-*-1.log > task.log
  (($(grep -c 'run 1, .* on n' task.log) == 2)) || fail "task 1 of the array: $(cat task.log)"
  table 'scancel --signal=TERM, task of an array' 2 - - - "$(equal "law/$run" apart)"
}
all_of_sweep() { "$twotrack" sweep sweep.cfg --dry-run | grep -q '^2 runs: 2 done'; }

waiting=()
beside() { "$1" & waiting+=($!); }
all_done() { wait "${waiting[@]}"; waiting=(); }

parts=" ${*:5} "
wanted() { [[ $parts == '  ' || $parts == *" $1 "* ]]; }

if wanted time_limit; then time_limit & limit=$!; fi # on the first node alone, and longer than all others
for part in signal_to_ranks signal_to_shell requeued successor cancelled sweep no_progress no_start bad_node undisturbed under_mpirun; do
  if wanted $part; then beside $part; fi
done
all_done

# ---- what disturbs all that is on a node ----
preempted() {
  submit preempted RANKS=2
  disturb 'preemption by a higher partition' preempted \
    sbatch --quiet --partition=high --nodes=1 --nodelist=n2 --exclusive --time=1 --output=high.log --wrap 'sleep 1'
}
lost_node() {
  submit lost RANKS=2
  disturb 'a lost node (slurmd and ranks)' lost lose_n2
}
lose_n2() { # until its job has ended
  node_kill n2
  (until_true 'the end of the first start' state_is_not "$(job lost)" RUNNING && sleep 1 && node_up n2) &
}

wanted preempted && preempted
wanted lost_node && lost_node
if [[ ${limit:-} ]]; then wait "$limit"; fi

finish
