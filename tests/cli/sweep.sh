#!/usr/bin/env bash
# What a program does when its allocations fail (mpress-replay --fail-nth).
. "$(dirname "$0")/check.sh"
need_library

export MPRESS_LIBRARY=$LIBRARY
replay=$(dirname "$MPRESS")/mpress-replay

fail-nth() {
    run "$replay" -q --fail-nth "$@"
}

every_end_is_told_with_the_place_where_memory_was_refused() {
    fail-nth --timeout 500ms -- "$REFUSED"
    expect_status 1
    expect_no_err .
    expect_out "refused: 5 allocations, 5 call stacks"
    expect_out "^10 runs in"
    expect_out "^ended as without failure  *1  *0$"
    expect_out "^gave up: another exit status  *1  *1$"
    expect_out "^SILENT: .*  1  *1$"
    expect_out "^ABORTED: .*  1  *1$"
    expect_out "^CRASHED: .*  1  *1$"
    expect_out "^HUNG: .*  0  *1$"
    expect_out "^crashed (SIGSEGV) when allocation 2 (20 B) failed; 1 run more like this$"
    grep -A 2 "^crashed" out | grep -q "^        crashes  " || fail "where it was refused"
    [ "$(grep -v "^ *MPRESS_FAIL" out | wc -L)" -le 80 ] || fail "wider than 80 columns"
}

modes_and_runs_can_be_chosen() {
    fail-nth --transient --timeout 500ms --max-runs 2 "$REFUSED"
    expect_status 1
    expect_out "^2 runs in .*; 3 not tried$"
    expect_no_out "all behind it$"
    fail-nth --persistent --max-runs 1 --json "$REFUSED"
    expect_status 0
    expect_out '"schema": "mpress-fail-nth/1"'
    expect_out '"mode": "persistent"'
    expect_out '"outcome": "gave up"'
    expect_out '"exit_status": 9'
    expect_out '"not_tried": 4'
}

an_interrupted_sweep_goes_on_from_its_state() {
    fail-nth --max-runs 3 --state state "$REFUSED"
    fail-nth --max-runs 2 --state state "$REFUSED"
    expect_out "^2 runs in .*, and 3 runs before; 5 not tried$"
    [ "$(wc -l <state)" -eq 6 ] || fail "a line for each run is wanted: $(cat state)"
    [ "$(cut -d " " -f 1,2 state | sort -u | wc -l)" -eq 6 ] || fail "a run was made twice"
    fail-nth --state state -- true
    expect_status 2
    expect_err "of another command"
}

every_allocation_can_be_tried_and_input_is_the_same_each_time() {
    run bash -c "echo text | '$replay' --fail-nth -q --transient --every --max-runs 5 grep text"
    expect_status 0
    expect_no_out "differed"
    expect_out "^5 runs in"
}

what_cannot_be_run_so_is_refused() {
    fail-nth
    expect_status 2
    expect_one_line
    fail-nth --max-runs 0 true
    expect_status 2
    expect_one_line
    fail-nth ./not-there
    expect_status 3
    expect_one_line
    fail-nth -- sh -c 'kill -SEGV $$'
    expect_status 3
    expect_err "though nothing failed"
    [ -z "$(ls -d "${TMPDIR:-/tmp}"/mpress-fail-* 2>/dev/null)" ] || fail "a folder was left"
}

the_number_means_the_same_call_without_the_fail-nth() {
    run env MPRESS_FAIL_NTH=2 LD_PRELOAD="$LIBRARY" "$REFUSED"
    expect_status 139
    run env MPRESS_FAIL_NTH=1 LD_PRELOAD="$LIBRARY" "$REFUSED"
    expect_status 9
    run env MPRESS_FAIL_NTH=100 LD_PRELOAD="$LIBRARY" "$REFUSED"
    expect_status 0
}

run_tests
