#!/bin/sh
# start_test.sh EMULATED REAL: which ranks get a device, and what the others are told.
emulated=$1
real=$2
failed=0
check() { # DEVICES RANK RANKS SHARE CODE TEXT
  out=$(TT_EMULATE_DEVICES=$1 "$emulated" "$2" "$3" "$4")
  code=$?
  case $code:$out in
  $5:*"$6"*) ;;
  *)
    echo "$*: exit code $code, $out"
    failed=1
    ;;
  esac
}
check 1 0 1 0 0 'emulator, 4 multiprocessors, 80'
check 2 1 2 0 0 emulator
check 1 1 2 1 0 emulator
check 1 1 2 0 1 '2 ranks on this node but 1 CUDA device: start one rank a device, or set parallel.share_gpu = true'
check 2 0 3 0 1 '3 ranks on this node but 2 CUDA devices'
check 0 0 1 0 1 'no CUDA device: no CUDA-capable device is detected; train.device = "cpu" uses the processor'

# The program itself, on whatever machine this is: a device, or a reason and the way out.
if out=$("$real" 0 1 0); then
  echo "a device: $out"
else
  case $out in
  *CUDA*'train.device = "cpu" uses the processor'*) ;;
  *)
    echo "no device, and no reason: $out"
    failed=1
    ;;
  esac
fi
exit $failed
