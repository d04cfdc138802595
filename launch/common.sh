# What the scripts of this folder share. Sourced by them; changes to the top folder of the project.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.."
top=$PWD
script=launch/$(basename "$0")
log=$(mktemp)
trap 'rm -f "$log"' EXIT
exec </dev/null # nothing here asks anything; and a closed stdin would confuse mpirun

fail() {
  printf '%s: %s\n' "$script" "$*" >&2
  exit 1
}

# quietly WHAT COMMAND...: runs the command, shows one line with its time; its output only when it fails.
quietly() {
  local what=$1 begun=$SECONDS
  shift
  printf '%s ... ' "$what"
  if "$@" >"$log" 2>&1; then
    printf 'done (%d s)\n' $((SECONDS - begun))
  else
    printf 'FAILED\n'
    cat "$log" >&2
    fail "$what: failed (the output is above)"
  fi
}

# build FOLDER OPTION...: configures the folder when it is new, and compiles what has changed.
build() {
  local folder=$1
  shift
  [[ -f $folder/build.ninja ]] || quietly "Configuring $folder/" meson setup "$@" "$folder"
  quietly "Compiling into $folder/" ninja -C "$folder"
}

# Open MPI refuses to run as root unless told twice. In a container, root is often the only user.
if ((EUID == 0)); then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# launcher N: sets the words that start N ranks. -q: when a rank fails, its own message is shown and not also a page
# of Open MPI's.
launcher() {
  local number=$1 cores
  launcher=(mpirun -q -n "$number")
  cores=$(lscpu -p=Core,Socket 2>/dev/null | sed '/^#/d' | sort -u | wc -l) || cores=0
  # fewer cores than ranks (cores that this process may use, or physical ones, by which Open MPI counts)
  if (($(nproc) < number || cores < number)); then launcher+=(--oversubscribe); fi
  if [[ -t 2 ]]; then # the ranks see only a pipe
    export TWOTRACK_PROGRESS=line
    COLUMNS=$(stty size <&2 | cut -d' ' -f2) || COLUMNS=80
    export COLUMNS
  fi
}

# ranks N COMMAND...: runs the command under mpirun.
ranks() {
  local code=0
  launcher "$1"
  shift
  "${launcher[@]}" "$@" || code=$?
  ((code == 0)) || fail "'$(basename "$1") ${*:2}' ended with code $code"
}

# ranks_that_save N COMMAND...: the same for training, which can be stopped. Ctrl-C would make mpirun kill its ranks
# within seconds, so it is for us alone (setsid); SIGUSR1 mpirun passes on, and they save.
ranks_that_save() {
  local code=0 child last
  launcher "$1"
  shift
  trap 'kill -USR1 "${child:-}" 2>/dev/null' INT TERM HUP
  setsid "${launcher[@]}" "$@" &
  child=$!
  while :; do
    code=0
    wait "$child" || code=$? # a signal cuts it short
    kill -0 "$child" 2>/dev/null || break
  done
  # cut short by a signal, and over before the question: this is its own code
  last=0
  wait "$child" 2>/dev/null || last=$?
  ((last == 127)) || code=$last
  trap - INT TERM HUP
  ((code != 75)) || { printf '%s: stopped; the same command goes on\n' "$script" >&2; exit 75; }
  ((code == 0)) || fail "'$(basename "$1") ${*:2}' ended with code $code"
}
