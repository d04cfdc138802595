#!/bin/sh
# kernels_test.sh ARCHS LIBRARY LOG...: what ptxas said of each kernel, for each of ARCHS (80,90a), as a table. Fails where a
# kernel has no code for one of them, or needs more than the limits below. Where there is cuobjdump, the library itself is asked.
archs=$1
library=$2
shift 2
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT

# Bytes of registers spilled to memory: few, in the kernels that training on the newest of the GPUs spends its time in (bf16); in
# the others (fp32, for checks, and older GPUs) it is the multitude that would tell of a mistake. Locals in memory, which are arrays
# that are not indexed by constants, count in `stack` as well.
cat "$@" | awk -v archs="$archs" -v hot=16 -v most=128 '
  BEGIN { count = split(archs, arch, ","); for (a = 1; a <= count; a++) wanted["sm_" arch[a]] = 1; newest = "sm_" arch[count] }
  { gsub("\047", "") }
  /Compiling entry function/ { for (f = 1; f <= NF; f++) if ($f == "function") { name = $(f + 1); on = $(f + 3) } }
  /bytes stack frame/ { stack = $1; spill = $5 + $9 }
  /Used [0-9]* registers/ {
    registers = shared = 0
    for (f = 1; f <= NF; f++) { if ($f ~ /^registers/) registers = $(f - 1); if ($f ~ /^smem/) shared = $(f - 2) }
    seen[name] = seen[name] " " on
    printf "%-7s %9d %7d %6d %6d  %s\n", on, registers, shared, stack, spill, name
    limit = (on == newest && name ~ /tt_bf16/) ? 2 * hot : most
    if (spill > limit || stack > most) { printf "too much spilled, or kept in memory: %s for %s\n", name, on; bad = 1 }
    kernels++
  }
  END {
    if (kernels == 0) { print "no kernel was compiled"; exit 1 }
    for (name in seen) for (a in wanted) if (index(seen[name] " ", " " a " ") == 0) { print "no code for " a ": " name; bad = 1 }
    exit bad
  }' >"$folder/table"
status=$?
echo 'GPU     registers  shared  stack  spill  kernel (bytes, but for registers)'
if command -v c++filt >/dev/null; then c++filt <"$folder/table"; else cat "$folder/table"; fi
if command -v cuobjdump >/dev/null; then
  cuobjdump --list-elf "$library" >"$folder/elf" || status=1
  for arch in $(echo "$archs" | tr , ' '); do
    grep -q "sm_$arch\.cubin" "$folder/elf" || { echo "$library has no code for sm_$arch" && status=1; }
  done
fi
exit $status
