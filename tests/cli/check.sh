#!/usr/bin/env bash
# check.sh - what the command-line tests share. Sourced by each; tools/... come in as variables:
# MPRESS (the program), MAKE_TRACE, LIBRARY (libmpress.so; empty: not built here), BUILD.

set -u
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
unset MPRESS_TRACE MPRESS_STATS MPRESS_HEAP LD_PRELOAD NO_COLOR
export LC_ALL=C TERM=xterm

fail() {
    echo "FAILED: ${test_name-?}: $*"
    echo "--- standard output"
    cat out
    echo "--- standard error"
    cat err
    exit 1
}

# skip WHY: a test that cannot run here says so, and returns. Fails, so that `|| return 0` can follow.
skip() {
    why_skipped=$1
    return 1
}

# run COMMAND...: its exit status in $status, its output in the files out and err.
run() {
    "$@" >out 2>err </dev/null
    status=$?
}

expect_status() { [ "$status" -eq "$1" ] || fail "exit status $status, expected $1"; }
expect_out() { grep -q -e "$1" out || fail "not on standard output: $1"; }
expect_err() { grep -q -e "$1" err || fail "not on standard error: $1"; }
expect_no_out() { ! grep -q -e "$1" out || fail "must not be on standard output: $1"; }
expect_no_err() { ! grep -q -e "$1" err || fail "must not be on standard error: $1"; }
expect_one_line() { [ "$(wc -l <err)" -eq 1 ] && [ ! -s out ] || fail "not one line of refusal"; }
expect_80_columns() { [ "$(wc -L <out)" -le 80 ] || fail "wider than 80 columns"; }

# wait_for PATTERN FILE: until it is there. After 60 s the test goes on, and fails by itself.
wait_for() {
    for _ in {1..1200}; do
        grep -q -e "$1" "$2" 2>/dev/null && return
        sleep 0.05
    done
}

# Every function whose name begins with a sentence's verb is a test: all that this script defines.
list_tests() {
    grep -o '^[a-z_0-9]*()' "$0" | tr -d '()'
}

run_test() {
    test_name=$1
    mkdir "$folder/$test_name"
    cd "$folder/$test_name" || exit 1
    : >out
    : >err
    why_skipped=
    "$test_name"
    echo "${why_skipped:+skipped, }${why_skipped:-ok}: $test_name"
}

run_tests() {
    for each in $(list_tests); do
        run_test "$each"
    done
}

# The same side by side, for tests that wait more than they work. All run, whichever fails; what
# failed beside the others runs once more, alone, and is named. A sanitizer's finding stands.
run_tests_at_once() {
    local failed=0 each log
    local -A pids=()
    for each in $(list_tests); do
        (run_test "$each") >"$folder/$each.log" 2>&1 &
        pids[$each]=$!
    done
    for each in "${!pids[@]}"; do
        wait "${pids[$each]}" && unset "pids[$each]"
    done
    for each in "${!pids[@]}"; do
        log=$folder/$each.log
        if grep -q Sanitizer "$log"; then
            failed=1
            continue
        fi
        echo "failed beside others, once more alone: $each" >>"$log" # (tests/run looks for it)
        mv "$each" "$each.beside"
        (run_test "$each") >>"$log" 2>&1 || failed=1
    done
    cat "$folder"/*.log
    exit $failed
}

need_library() {
    [ -n "$LIBRARY" ] && return 0
    echo "skipped: libmpress.so is not built here"
    exit 77
}
