# Shared by the scripts that test stores: a folder to work in, and what failed. Sourced before anything else; the
# program is $1, and paths of other arguments are made absolute before it is sourced, for it goes into that folder.
set -u
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # for containers; elsewhere they change nothing
twotrack=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# Ends the test with code 77, skipped, where this build has no RDKit.
needs_rdkit() {
  printf 'C\n' >one.smi
  "$twotrack" store build one.smi --out probe --valid-fraction 0 >/dev/null 2>message ||
    { grep -q 'has no RDKit' message && exit 77 || fail "$(cat message)"; }
}

finish() {
  [ "$failures" = 0 ] && echo 'all is well'
  exit $((failures > 0))
}
