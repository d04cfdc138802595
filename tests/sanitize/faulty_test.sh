#!/bin/sh
# A fault that is there on purpose is seen: faulty_test.sh FAULTY WHAT PATTERN. It is told here, not among the reports of the tests.
last=log_path=stderr # the last value counts
ASAN_OPTIONS=${ASAN_OPTIONS:-}:$last UBSAN_OPTIONS=${UBSAN_OPTIONS:-}:$last TSAN_OPTIONS=${TSAN_OPTIONS:-}:$last
export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS
told=$("$1" "$2" 2>&1) && { echo "FAIL: $2 was not seen"; exit 1; }
case $told in
*"$3"*) ;;
*)
  echo "FAIL: $2: no '$3' in: $told"
  exit 1
  ;;
esac
