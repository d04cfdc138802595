# What the tests on the cluster share: jobs, waiting, the table. Sourced inside, in a folder of the cluster.
# shellcheck shell=bash disable=SC2154 # twotrack, pretrain, slow: of the test
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
: > failures
: > rows
patience=${TT_TEST_PATIENCE:-200} # seconds that anything may take

fail() { echo "FAIL: $*" | tee -a failures; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }

# until_true WHAT COMMAND...: asks again and again; a failure where it takes too long
until_true() {
  local what=$1 end=$((SECONDS + patience))
  shift
  until "$@" 2> /dev/null; do
    ((SECONDS < end)) || { fail "waited $patience s for $what"; squeue; sinfo -N; tail -n 30 ./*.log "$cluster"/log/*; return 1; }
    sleep 0.2
  done
}

# sleepy_program FILE MS: the program, in slow motion
sleepy_program() {
  printf '#!/bin/sh\nexport TT_TEST_SLOW_MS=${TT_TEST_SLOW_MS:-%d} LD_PRELOAD=%s\nexec %s "$@"\n' "$2" "$slow" "$twotrack" > "$1"
  chmod +x "$1"
}

# submit NAME [SETTING=VALUE...]: a run of its own in the folder NAME, with the log NAME.log. MORE=: options of sbatch
submit() {
  local name=$1 said
  shift
  said=$(env CONFIG=small.cfg STORE=store OUT="$name" TWOTRACK="$PWD/slowly" NODES=2 RANKS=1 TIME=5 BIND=none PREFLIGHT=0 "$@" \
    bash -c 'SBATCH="--job-name=$0 --output=$0.log ${MORE:-}" exec bash "$1"' "$name" "$pretrain" 2>&1)
  [[ $said =~ ([0-9]+)$ ]] || fail "submit $name: $said"
  echo "${BASH_REMATCH[1]}" > "$name.job"
}
job() { cat "$1.job"; }
starts() { grep -c 'pretrain: .* job [0-9]*, start' "$1.log"; }
state() { scontrol show job "$1" | grep -oE 'JobState=[A-Z_]+' | cut -d= -f2; }
state_is() { [[ $(state "$1") == "$2" ]]; }
state_is_not() { ! state_is "$@"; }
on_node() { nsenter -t "$(cat "$cluster/run/$1.pid")" --mount --uts -- "${@:2}"; } # on_node n2 COMMAND...

step() { grep -s '"type":"step"' "$1/run.jsonl" | tail -n 1 | grep -oE '"step":[0-9]+' | cut -d: -f2; }
reached() { (($(step "$1") >= $2)); }
until_step() { until_true "update $2 of $1" reached "$1" "$2"; }
digest() { "$twotrack" checkpoint digest "$1"; }
curve() { grep -E '"type":"(step|valid)"' "$1/run.jsonl" | sed -E 's/,"(samples_per_s|data_s)":[^,}]*//g'; }

# equal NAME OTHER: "equal", and the same records
equal() {
  local a b
  a=$(digest "$1") b=$(digest "$2")
  [[ -n $a && $a == "$b" ]] || { fail "the digest of $1 is $a, not $b"; echo differs; return; }
  (($(curve "$2" | wc -l) >= 61)) && [[ $(curve "$1") == "$(curve "$2")" ]] || { fail "the records of $1 are others"; echo differs; return; }
  echo equal
}

# table FAULT STARTS LOST DETECTED BACK RESULT
table() { printf '| %s | %s | %s | %s | %s | %s |\n' "$@" >> rows; }

is_done() { grep -q '^pretrain: done' "$1.log"; }

# done_and_equal FAULT NAME STARTS
done_and_equal() {
  until_true "the end of $2" is_done "$2" || return
  (($(starts "$2") == $3)) || fail "$2: $(starts "$2") starts instead of $3: $(cat "$2.log")"
  table "$1" "$(starts "$2")" - - - "$(equal "$2" whole)"
}

# disturb_only NAME COMMAND...: the command, once the run is between two checkpoints
disturb_only() {
  until_step "$1" "${disturb_at:-24}"
  "${@:2}" || fail "$*"
}

# disturb FAULT NAME COMMAND...: the run ends before it is done, comes back, and gets to the same end
disturb() {
  local fault=$1 name=$2 begun at detected back resumed
  shift 2
  disturb_only "$name" "$@"
  begun=$(now)
  until_true "the end of the first start of $name" state_is_not "$(job "$name")" RUNNING
  detected=$(since "$begun") at=$(step "$name")
  until_true "the second start of $name" again "$name"
  back=$(since "$begun")
  resumed=$(grep '"type":"resume"' "$name/run.jsonl" | head -n 1 | grep -oE '"step":[0-9]+' | cut -d: -f2)
  until_true "the end of $name" is_done "$name" || return
  (($(starts "$name") == 2)) || fail "$name: $(starts "$name") starts: $(cat "$name.log")"
  [[ -z ${disturb_at:-} ]] || detected=- back=- # nobody knows when it began
  table "$fault" "$(starts "$name")" "$((at - resumed))" "$detected" "$back" "$(equal "$name" whole)"
}
again() { grep -q '"type":"resume"' "$1/run.jsonl"; }

finish() {
  printf '| fault | starts | updates lost | until its job ended, s | until it trained again, s | result |\n|---|---|---|---|---|---|\n'
  cat rows
  if [[ -s failures ]]; then
    echo "$(wc -l < failures) failed"
    exit 1
  fi
  echo "all passed in $SECONDS s"
}
