#!/usr/bin/env bash
# The disk of one rank runs full while HDF5 writes together (a limit on the size of files stands for it): the job ends at once with
# one message that names the rank, and the file goes. collective_full_disk_test.sh LAYOUTS_TEST MPIRUN
set -u
program=$1 mpirun=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_MCA_btl=self,tcp # whose memory is no file
ranks() { timeout -k 5 "${TT_TEST_PATIENCE:-60}" "$mpirun" -q --oversubscribe -n 4 "$@"; }
ranks "$program" make "$work/x.h5" > "$work/log" 2>&1 || { echo "FAIL: make: $(cat "$work/log")"; exit 1; }
ranks bash -c "ulimit -f 20; exec '$program' fill '$work/x.h5'" > "$work/log" 2>&1
code=$?
[ "$code" -ne 0 ] && [ "$code" -ne 124 ] && [ "$code" -ne 137 ] || { echo "FAIL: exit code $code: $(cat "$work/log")"; exit 1; }
[ "$(grep -c 'twotrack: error: rank [0-3]: cannot write .*x.h5' "$work/log")" = 1 ] || { echo "FAIL: not one message: $(cat "$work/log")"; exit 1; }
[ ! -e "$work/x.h5" ] || { echo "FAIL: the file is still there"; exit 1; }
