# What launch/test --sanitize does. Sourced by it.
# shellcheck shell=bash disable=SC2154

# No test may hide what a sanitizer tells, as one would that expects its program to fail: all is written here, and the folder must
# stay empty.
told=$top/build-asan/told

# The tests that have threads of the program: readers, writers of checkpoints, whole runs.
threads=('sanitizer sees race' position loader 'loader with 4 ranks' 'assemble with 4 ranks' checkpoint 'checkpoint layouts' 'update with 2 ranks'
  layouts resume 'damaged store' stopping judge post hangs)

sanitize() {
  local set=(-Dbuildtype=debugoptimized -Db_lundef=false)
  # whoever waits for a process that is checked needs patience
  test_options+=(--timeout-multiplier 10)
  export TT_TEST_PATIENCE=1200
  # the plain transports copy with code that sanitizers can see
  export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader
  rm -rf "$told"
  mkdir -p "$told"

  # memory and undefined behaviour: all tests. LeakSanitizer needs whole stacks to know Open MPI's own leaks;
  # some tests preload a library of theirs
  build build-asan "${set[@]}" -Db_sanitize=address,undefined
  export ASAN_OPTIONS=fast_unwind_on_malloc=0:detect_leaks=1:verify_asan_link_order=0:log_path=$told/address
  export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:log_path=$told/undefined
  export LSAN_OPTIONS=suppressions=$top/tests/sanitize/lsan.supp:print_suppressions=0
  run_tests build-asan
  unset ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS

  # races of threads: the tests that have some
  build build-tsan "${set[@]}" -Db_sanitize=thread -Drdkit=disabled
  # a job that ends because it hangs leaves its threads as they are
  export TSAN_OPTIONS=log_path=$told/threads:report_thread_leaks=0
  local name known # meson would pass over a name that it does not know
  known=$(meson test -C build-tsan --no-rebuild --list | sed 's|^[^/]* / ||') # without the suite's name
  for name in "${threads[@]}"; do
    grep -qxF -- "$name" <<<"$known" || fail "no test is called '$name'"
  done
  run_tests build-tsan "${threads[@]}"
  unset TSAN_OPTIONS

  # numbers that were never set: one run under valgrind, of the program as it is used
  build "$folder" "${options[@]}"
  unset OMPI_MCA_pml OMPI_MCA_btl
  local code=0
  tests/sanitize/valgrind.sh "$top/$folder/twotrack" "$top/$folder/tests/train/make_store" "$(command -v mpirun)" \
    "$top/$folder/tests/sanitize/faulty" || code=$?
  case $code in
  0) passed=$((passed + 1)) ;;
  77) skipped=$((skipped + 1)) ;;
  *) failed=$((failed + 1)) ;;
  esac

  local report
  for report in "$told"/*; do
    [[ -f $report ]] || continue
    failed=$((failed + 1))
    echo "--- $report"
    head -60 "$report"
  done
}
