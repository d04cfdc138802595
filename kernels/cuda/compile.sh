#!/bin/sh
# compile.sh LOG COMMAND...: runs nvcc; what ptxas says of each kernel (registers, spills, shared memory) goes to LOG, the rest is
# printed.
log=$1
shift
"$@" 2>"$log.all"
status=$?
grep '^ptxas info\|bytes stack frame' "$log.all" >"$log"
grep -v '^ptxas info\|bytes stack frame\|^$' "$log.all" >&2
rm -f "$log.all"
exit $status
