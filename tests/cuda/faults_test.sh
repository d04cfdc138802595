#!/bin/sh
# faults_test.sh FAULTS: each fault on purpose (faults.cpp) is found by the emulator, whatever the order of threads.
faults=$1
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
failed=0
# what a sanitizer finds here is told here: the last value counts
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:log_path=stderr" UBSAN_OPTIONS="${UBSAN_OPTIONS:-}:log_path=stderr"
complain() {
  echo "$1, seed $seed: $2: $(cat "$folder/out" "$folder/err" | head -5)"
  failed=1
}
run() { # NAME: what it prints, and its exit code
  TT_EMULATE_SEED=$seed "$faults" "$1" >"$folder/out" 2>"$folder/err"
  code=$?
}
says() { # NAME TEXT: the emulator ends the program, with the text
  run "$1"
  [ $code = 70 ] || complain "$1" "exit code $code instead of 70"
  grep -q "$2" "$folder/err" || complain "$1" "no \"$2\""
}
crashes() { # NAME: by a signal, or by the address sanitizer, which reports it as one
  run "$1"
  [ $code -gt 128 ] || grep -q 'AddressSanitizer' "$folder/err" || complain "$1" "exit code $code instead of a crash"
}
prints() { # NAME PATTERN
  run "$1"
  [ $code = 0 ] && grep -qx "$2" "$folder/out" || complain "$1" "exit code $code, or not $2"
}

for seed in 1 2 3; do
  prints right 0
  prints 'no barrier' '[1-9][0-9]*'
  prints 'no wait' '256'
  prints 'memory never set' '256'
  prints 'shared memory never set' '0'
  says 'leaves early' 'leaves_early.*at the barrier of .*faults.cpp:[0-9]* for ever: of the block.s 256 threads 1 have ended'
  says 'parted at barriers' 'is at the barrier of .*while thread'
  says 'a lane is missing' 'waits for the other lanes of its warp for ever.*31 of 32 have come'
  says 'half a warp' 'waits for the other lanes of its warp for ever.*15 of 32 have come'
  says threads 'a block of (2048, 1, 1) threads'
  [ "$(uname -m)" != x86_64 ] || says 'threads of the kernel' 'a block of 512 threads, but the kernel is compiled for at most 256'
  says blocks 'a grid of (1, 65536, 1) blocks'
  says 'shared memory' '163841 bytes of shared memory'
  says "the host's memory" 'reverse (launched at .*) is given a pointer that is not to memory of the device'
  says alignment 'an access of 16 bytes is not aligned'
  says released 'is given a pointer that is not to memory of the device'
  crashes 'past the end'
  crashes 'before the start'
  crashes "the device's memory"
  crashes stack
done
exit $failed
