#!/usr/bin/env bash
# start_test.sh MPIRUN EMULATED REAL: which ranks get a device, and what the others are told.
mpirun=$1 emulated=$2 real=$3 failed=0

# check CODE TEXT SHARE DEVICES:FIRST...: one rank each, which sees so many devices from that one on
check() {
  local code=$1 text=$2 share=$3 seen command=() out got; shift 3
  for seen; do
    command+=(: -n 1 -x "TT_EMULATE_DEVICES=${seen%:*}" -x "TT_EMULATE_FIRST_DEVICE=${seen#*:}" "$emulated" "parallel.share_gpu=$share")
  done
  out=$("$mpirun" -q --oversubscribe "${command[@]:1}" 2>&1 | sort); got=${PIPESTATUS[0]}
  case $out in *$text*) ;; *) got=text ;; esac
  [[ $out == *"error"* ]] && got=$((got == 0 ? 1 : got))
  [ "$got" = "$code" ] || { echo "$code '$text' $share $*: $out"; failed=1; }
}
check 0 'rank 0: emulator, 4 multiprocessors, 80, id 0' false 1:0
# all of a node's to every rank, or one each
check 0 'rank 1: emulator, 4 multiprocessors, 80, id 1' false 2:0 2:0
check 0 'rank 1: emulator, 4 multiprocessors, 80, id 5' false 1:4 1:5
check 0 'rank 1: emulator, 4 multiprocessors, 80, id 0' true 1:0 1:0
check 1 'rank 1 has the same CUDA device (emulator) as rank 0: start one rank a device, or set parallel.share_gpu = true' false 1:0 1:0
check 1 'rank 2 has the same CUDA device (emulator) as rank 0' false 2:0 2:0 2:0
check 1 'no CUDA device: no CUDA-capable device is detected; "cpu" uses the processor' false 0:0

# The program itself, on whatever machine this is: a device, or a reason and the way out.
if out=$("$real" parallel.share_gpu=true 2>&1); then
  echo "a device: $out"
else
  case $out in
  *CUDA*'"cpu" uses the processor'*) ;;
  *)
    echo "no device, and no reason: $out"
    failed=1
    ;;
  esac
fi
exit $failed
