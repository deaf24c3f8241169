#!/usr/bin/env bash
# What a program does when its allocations fail (mpress-replay --fail-nth).
. "$(dirname "$0")/check.sh"
need_library

export MPRESS_LIBRARY=$LIBRARY
replay=$(dirname "$MPRESS")/mpress-replay
python=$(python3 -c 'import sys; print(sys.executable)') # what is called so may be a script

fail-nth() {
    run "$replay" -q --fail-nth "$@"
}

every_end_is_told_with_the_place_where_memory_was_refused() {
    fail-nth --timeout 2s -- "$REFUSED"
    expect_status 1
    expect_no_err .
    expect_out "refused: 5 allocations, 5 call stacks"
    expect_out "^10 forks in"
    expect_out "^fork of one run  *5  *5$"
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
    fail-nth --transient --max-runs 2 "$REFUSED"
    expect_status 1
    expect_out "^2 forks in .*; 3 not tried$"
    expect_no_out "all behind it$"
    fail-nth --persistent --max-runs 1 --json "$REFUSED"
    expect_status 0
    expect_out '"schema": "mpress-fail-nth/1"'
    expect_out '"mode": "persistent"'
    expect_out '"outcome": "gave up"'
    expect_out '"exit_status": 9'
    expect_out '"not_tried": 4'
}

# Cut short by a full disk or by the power, its last line is made again and all behind it is kept.
a_state_that_was_cut_short_is_gone_on_with() {
    fail-nth --max-runs 3 --state state "$REFUSED"
    truncate -s -9 state
    fail-nth --max-runs 2 --state state "$REFUSED"
    expect_out "and 2 runs before"
    fail-nth --max-runs 1 --state state "$REFUSED"
    expect_out "and 4 runs before"
    [ "$(wc -l <state)" -eq 6 ] || fail "not a line for each: $(cat state)"
}

nothing_is_left_when_nobody_reads_the_output() {
    mkdir folder
    TMPDIR=$PWD/folder "$replay" --fail-nth -q --json --timeout 2s -- "$REFUSED" 2>err </dev/null | true
    [ -z "$(ls folder)" ] || fail "left: $(ls folder)"
}

a_state_that_cannot_be_kept_is_told() {
    fail-nth --by runs --state state --transient -- sh -c 'rm -f state; true'
    [ "$(grep -c "^mpress: state: not all results can be kept: " err)" -eq 1 ] || fail "not told once"
    echo mine >mine
    fail-nth --state mine "$REFUSED"
    expect_status 2
    expect_err "is no file of results"
    [ "$(cat mine)" = mine ] || fail "it was written to"
}

an_interrupted_sweep_goes_on_from_its_state() {
    fail-nth --max-runs 3 --state state --by runs "$REFUSED"
    fail-nth --max-runs 2 --state state "$REFUSED"
    expect_out "^2 forks in .*, and 3 runs before; 5 not tried$"
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
    expect_out "^5 forks in"
}

# expect-runs EXPRESSION...: of python, over the runs of the last JSON by bytes and mode.
expect-runs() {
    "$python" -IS - "$@" <<'END' || fail "that is not so"
import json, sys
def read(name):
    return {(run['bytes'], run['mode']): run for run in json.load(open(name))['runs']}
def ends(runs):
    return {key: (run['outcome'], run.get('exit_status'), run.get('signal')) for key, run in runs.items()}
runs = read('out')
for text in sys.argv[1:]:
    if not eval(text):
        sys.exit('not so: %s\n%s' % (text, runs))
END
}

forks_tell_what_runs_tell() {
    fail-nth --transient --json --by runs -- "$REFUSED"
    mv out by_runs
    fail-nth --transient --json -- "$REFUSED"
    expect-runs "ends(runs) == ends(read('by_runs')) and len(runs) == 5" \
        "all(run['way'] == 'run' for run in read('by_runs').values())" \
        "all(run['way'] == 'fork' for run in runs.values())"
}

forks_are_used_whatever_way_the_folder_is_named_in() {
    mkdir place
    ln -s place link
    for name in "$PWD/place/" "$PWD/link" place; do
        TMPDIR=$name fail-nth --transient --max-runs 1 "$REFUSED"
        expect_out "^1 forks* in"
    done
    TMPDIR=none fail-nth "$REFUSED"
    expect_status 2
    expect_err "none: no room for traces"
    expect_one_line
}

# A descriptor 40 of an eventfd, and the command.
with_counter="import os, sys; os.dup2(os.eventfd(0), 40); os.execv(sys.argv[1], sys.argv[1:])"

# (The first allocation that fails alone is followed by what starts a process.)
where_a_fork_would_be_felt_there_is_a_run() {
    mkfifo fifo
    exec 7<>fifo
    run bash -c "echo some input | '$python' -IS -c '$with_counter' '$replay' --fail-nth -q --json -- '$FELT' 7>&-"
    exec 7>&-
    expect_status 0
    [ "$(wc -l <told)" -eq 2 ] || fail "a fork was felt, or no run: $(cat told)"
    expect-runs "all(runs[n, mode]['way'] == 'fork' for n, mode in ((10, 'persistent'), (80, 'transient'), (80, 'persistent')))" \
        "all(word in runs[n, mode]['why'] for mode in ('transient', 'persistent') for n, word in {20: 'pipe', 22: 'pipe',
             24: 'pipe', 25: 'pipe', 30: 'timer', 40: 'child', 50: 'threads', 60: 'memory', 70: 'felt'}.items())" \
        "'felt' in runs[10, 'transient']['why']" \
        "ends(runs)[10, 'transient'] == ends(runs)[80, 'transient'] == ('same', 0, None)" \
        "all(runs[n, 'transient']['exit_status'] == 9 for n in (20, 22, 24, 25, 30, 40, 50, 60, 70))"
}

forks_may_do_what_they_like_where_the_user_says_so() {
    run bash -c "echo some input | '$replay' --fail-nth -q --json --by forks -- '$FELT'"
    expect-runs "all(runs[n, 'transient']['way'] == 'fork' for n in (10, 20, 60, 70, 80))" \
        "ends(runs)[10, 'transient'] == ends(runs)[80, 'transient'] == ('same', 0, None)" \
        "all(runs[n, 'persistent']['way'] == 'run' for n in (30, 40, 50))"
    [ "$(wc -l <told)" -eq 2 ] || fail "the forks did not write: $(cat told)"
}

what_forks_came_to_is_dropped_when_the_run_they_are_of_ended_otherwise() {
    echo 0 >runs
    fail-nth --max-runs 4 -- sh -c 'read n <runs; echo $((n + 1)) >runs; exit $((n >= 2))'
    expect_out "^4 runs in"
    expect_out "^run: the forking run ended otherwise  *2  *2$"
}

no_fork_outlives_the_run_that_it_is_of() {
    fail-nth --transient "$ASTRAY" lost
    expect_status 0
    expect_out "^1 forks* in"
    [ "$(wc -l <lost)" -ge 1 ] || fail "nothing was left"
    ! kill -0 $(cat lost) 2>/dev/null || fail "it runs on"
}

nobody_is_left_of_a_run_in_a_session_of_his_own() {
    local mark=984$BASHPID
    fail-nth --max-runs 3 --by runs -- sh -c "setsid sleep $mark & exit 3"
    expect_out "a run; exit status 3 without failure$"
    expect_out "^3 runs in"
    ! pgrep -f "^sleep $mark\$" || fail "somebody is left"
}

a_run_that_does_not_fork_when_it_is_to_is_over_in_time() {
    run timeout -k 1 60 taskset -c "$(taskset -cp $$ | sed 's/.*[ ,-]//')" \
        "$replay" -q --fail-nth --json --timeout 3s --by forks "$ASTRAY" stop
    expect_status 0
    expect-runs "all('otherwise' in run['why'] for run in runs.values()) and len(runs) == 2"
}

several_allocations_of_a_call_stack_can_be_tried() {
    fail-nth --transient --repeats 2 --json grep -c text
    [ "$(grep -c '"outcome"' out)" -gt "$(grep -o '"stacks": [0-9]*' out | tail -c 4)" ] || fail "each only once"
}

what_cannot_be_run_so_is_refused() {
    fail-nth
    expect_status 2
    expect_one_line
    for line in "--max-runs 0" "--by hand" "--repeats 0"; do
        fail-nth $line true
        expect_status 2
        expect_one_line
    done
    fail-nth ./not-there
    expect_status 3
    expect_one_line
    mkdir own
    TMPDIR=own fail-nth -- sh -c 'kill -SEGV $$'
    expect_status 3
    expect_err "though nothing failed"
    [ -z "$(ls own)" ] || fail "a folder was left"
}

a_program_that_allocates_nothing_is_told_so() {
    for form in "--by forks" "--by runs" --json; do
        fail-nth $form true
        expect_status 3
        expect_one_line
        expect_err "^mpress: true allocates nothing: there is nothing to make fail in it$"
    done
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
