# shellcheck shell=sh
# What the tests of commands share. Sourced; makes $folder, which goes away at the end, and counts in $failed.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0

# expect CODE WORDS COMMAND...: the command must end with CODE and print WORDS (a basic regular expression)
expect() {
  code=$1 words=$2
  shift 2
  "$@" >"$folder/out" 2>&1
  found=$?
  if [ $found -ne "$code" ] || ! grep -q -- "$words" "$folder/out"; then
    echo "FAILED (exit $found, wanted $code, and '$words'): $*"
    cat "$folder/out"
    failed=1
  fi
}
