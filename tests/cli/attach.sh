#!/usr/bin/env bash
# A trace is switched and marked in a process that runs.
. "$(dirname "$0")/check.sh"
need_library

# (A blank before the parentheses: no test.)
# begin COMMAND...: it runs under the library; its first line of output, a process id, is in $pid.
# Its standard input is open until `end`.
begin () {
    rm -f lines input
    mkfifo input
    LD_PRELOAD=$LIBRARY "$@" >lines 2>errors <input &
    program=$!
    exec 7>input
    wait_for '^[0-9]' lines
    pid=$(head -n 1 lines)
}

end () {
    exec 7>&-
    wait "$program" || fail "the program ended with status $?: $(cat errors)"
    wait_for '^done' lines
    grep -q '^done' lines || fail "the program did not come to its end"
}

# The file is there before the trace is: a process that ends in between leaves it without an end.
wait_until_on () {
    for _ in {1..1200}; do
        run "$MPRESS" mark "$pid" on
        [ "$status" -ne 0 ] || return
        sleep 0.05
    done
}

wait_until_off () {
    for _ in {1..1200}; do
        run "$MPRESS" mark "$pid" off
        [ "$status" -eq 0 ] || return
        sleep 0.05
    done
}

# wait_for_mark TRACE LABEL: one that another signal may not overtake.
wait_for_mark () {
    for _ in {1..600}; do
        run "$MPRESS" report "$1"
        ! grep -q " $2\$" out || return
        sleep 0.05
    done
}

expect_complete () {
    run "$MPRESS" report --depth 4 "$1"
    expect_status 0
    expect_out "yes: every $2 is there"
}

# Until the python server has gone round so many times more.
wait_for_rounds () {
    local rounds=$(($(stat -c %s rounds) + $1))
    for _ in {1..1200}; do
        [ "$(stat -c %s rounds)" -lt $rounds ] || return
        sleep 0.05
    done
}

begin_python_server () {
    : >rounds
    begin env PYTHONMALLOC=malloc python3 -c '
import os, select, sys
rounds = os.open("rounds", os.O_WRONLY)
held = [bytearray(5000) for i in range(300)]
print(os.getpid(), flush=True)
while not select.select([sys.stdin], [], [], 0.001)[0]:
    held = held[1:] + [bytearray(3000)]
    os.write(rounds, b".")
print("done", flush=True)'
}

a_python_server_is_attached_marked_and_detached() {
    command -v python3 >/dev/null || skip "no python3" || return 0
    begin_python_server
    run "$MPRESS" attach -o 'own %p.mpt' "$pid"
    expect_status 0
    expect_out "^process $pid: a trace was started: $PWD/own $pid.mpt$"
    run "$MPRESS" mark "$pid" after the start
    expect_status 0
    expect_no_out .
    wait_for_rounds 50
    run "$MPRESS" mark "$pid" before-the-end
    expect_status 0
    run "$MPRESS" detach "$pid"
    expect_status 0
    expect_out "^process $pid: the trace is complete: $PWD/own $pid.mpt$"
    end
    expect_complete "own $pid.mpt" event
    expect_out 'marks .*: after the start$'
    expect_out ': before-the-end$'
    expect_out 'freed blocks older than the trace\|older than the trace'
    expect_out "bytearray"
    expect_out "are not on this map: blocks"
    run "$MPRESS" report --json "own $pid.mpt"
    expect_out '"label": "after the start"'
}

every_mode_works_and_names_are_not_reused() {
    begin "$SERVER" 0
    for mode in full events sample; do
        run "$MPRESS" attach --mode $mode -o x.mpt --for 100ms "$pid"
        expect_status 0
        expect_out "the trace is complete"
    done
    end
    expect_complete x.mpt event
    expect_complete "x.$pid.mpt" event
    expect_complete "x.$pid.2.mpt" sample
}

a_storm_of_traces_under_threads_and_forks_leaves_all_complete() {
    begin "$SERVER" 8
    for round in {1..5}; do
        run "$MPRESS" attach -o "$round.mpt" "$pid"
        expect_status 0
        run "$MPRESS" mark "$pid" "round $round"
        expect_status 0
        run "$MPRESS" detach "$pid"
        expect_status 0
    done
    end
    for round in {1..5}; do
        run "$MPRESS" report --json --top 1 "$round.mpt"
        expect_status 0
        expect_out '"complete": true'
        expect_out "\"label\": \"round $round\""
    done
}

several_tools_at_once_take_turns() {
    begin "$SERVER" 4
    run "$MPRESS" attach -m events -o x.mpt "$pid"
    expect_status 0
    for part in 1 2 3; do
        (for i in 1 2 3 4 5; do "$MPRESS" mark "$pid" "mark $part.$i" || exit 1; done) &
        tools[part]=$!
    done
    for part in 1 2 3; do
        wait "${tools[part]}" || fail "a mark was not put"
    done
    run "$MPRESS" detach "$pid"
    end
    run "$MPRESS" report --json x.mpt
    python3 -c '
import json
labels = [mark["label"] for mark in json.load(open("out"))["marks"]]
assert sorted(labels) == ["mark %d.%d" % (part, i) for part in (1, 2, 3) for i in range(1, 6)], labels
' 2>err || fail "not all marks are there: $(cat err)"
}

what_cannot_be_is_refused_in_one_line() {
    begin "$SERVER" 0
    run "$MPRESS" detach "$pid"
    expect_status 1
    expect_one_line
    expect_err "no trace runs"
    run "$MPRESS" mark "$pid" x
    expect_status 1
    expect_err "no trace runs"
    run "$MPRESS" attach -o /nowhere/x.mpt "$pid"
    expect_status 1
    expect_one_line
    expect_err "no trace was started"
    run "$MPRESS" attach -o x.mpt "$pid"
    expect_status 0
    run "$MPRESS" attach -o y.mpt "$pid"
    expect_status 1
    expect_one_line
    expect_err "a trace runs there already: $PWD/x.mpt"
    end
    run "$MPRESS" detach "$pid"
    expect_status 1
    expect_err "there is no process"
    LD_PRELOAD='' sleep 10 &
    other=$!
    run "$MPRESS" attach $other
    expect_status 1
    expect_one_line
    expect_err "does not run under libmpress.so"
    kill $other
    wait $other 2>/dev/null
    [ "$(id -u)" -ne 0 ] || expect_refusal_of_other_users
}

expect_refusal_of_other_users () {
    command -v setpriv >/dev/null || skip "no setpriv" || return 0
    begin "$SERVER" 0
    cp "$MPRESS" ./mpress && chmod 755 . ./mpress && chmod 755 "$folder"
    run setpriv --reuid 65534 --regid 65534 --clear-groups ./mpress attach "$pid"
    expect_status 1
    expect_one_line
    expect_err "no permission"
    end
}

an_idle_process_is_waited_for_and_left_alone_when_that_ends() {
    begin "$SERVER" idle
    run "$MPRESS" attach -o x.mpt --wait 200ms "$pid"
    expect_status 1
    expect_err "has not allocated meanwhile: cancelled, nothing was done"
    "$MPRESS" attach -o y.mpt "$pid" >out 2>err &
    tool=$!
    wait_for "waiting for its next allocation" err
    kill -TERM $tool
    wait $tool
    [ $? -eq 1 ] || fail "a cancelled attach must fail"
    expect_err "cancelled"
    end
    [ ! -e x.mpt ] && [ ! -e y.mpt ] || fail "a cancelled trace was started"
}

an_interrupt_ends_a_trace_before_its_time() {
    begin "$SERVER" 0
    "$MPRESS" attach -o x.mpt --for 1h "$pid" >out 2>err &
    tool=$!
    wait_for "a trace was started" out
    kill -TERM $tool
    wait $tool || fail "status $?"
    expect_out "the trace is complete"
    end
    expect_complete x.mpt event
}

numbers_of_heap_and_threads_are_told() {
    begin "$SERVER" 3
    run "$MPRESS" stats "$pid"
    expect_status 0
    expect_80_columns
    expect_out "^PROCESS $pid"
    expect_out "^THREADS  5 threads"
    expect_out "^RESIDENT MEMORY  of the whole process, now"
    expect_out "^  pooling *yes "
    expect_out "^  compression *no "
    expect_out "^PRESSURE  "
    expect_out "^  compact  *aggressive  *0 "
    expect_out "^  server *$pid "
    run "$MPRESS" stats --json "$pid"
    expect_status 0
    expect_out '"schema": "mpress-stats/1"'
    python3 -c '
import json
pressure = json.load(open("out"))["pressure"]
assert pressure["available"] > 0 and pressure["limit"] > 0 and pressure["rss_anon"] > 0, pressure
assert [row["name"] for row in pressure["actions"]][:2] == ["trim", "compact"], pressure
now = json.load(open("out"))["resident"]
assert now["heap"] > 0 and sum(now[part] for part in ("heap", "other", "files", "shared")) == now["rss"] > 1000000, now
' 2>err || fail "$(cat err)"
    expect_out "\"id\": $pid,"
    end
    begin "$SERVER" idle
    run "$MPRESS" stats --wait 100ms "$pid"
    expect_status 1
    expect_err "cancelled"
    end
}

children_of_forks_are_asked_for_themselves() {
    begin "$SERVER" 2
    run "$MPRESS" attach -m events -o 'of %p.mpt' "$pid"
    expect_status 0
    for _ in {1..600}; do
        [ "$(ls of*.mpt | wc -l)" -le 1 ] || break
        sleep 0.05
    done
    run "$MPRESS" detach "$pid"
    expect_status 0
    end
    [ "$(ls of*.mpt | wc -l)" -gt 1 ] || fail "no child was recorded"
    expect_complete "of $pid.mpt" event
}

a_signal_switches_the_trace_and_another_marks_it() {
    export MPRESS_TRACE_SIGNAL=SIGUSR2 MPRESS_MARK_SIGNAL=RTMIN+1 MPRESS_TRACE_FILE=x.mpt
    export MPRESS_TRACE_MODE=events
    begin "$SERVER" 3
    unset MPRESS_TRACE_SIGNAL MPRESS_MARK_SIGNAL MPRESS_TRACE_FILE MPRESS_TRACE_MODE
    kill -USR2 "$pid"
    wait_for . x.mpt
    wait_until_on
    kill -s 35 "$pid"
    wait_for_mark x.mpt "signal 1"
    kill -s 35 "$pid"
    wait_for_mark x.mpt "signal 2"
    kill -USR2 "$pid"
    wait_until_off
    expect_err "no trace runs"
    kill -USR2 "$pid"
    wait_for . "x.$pid.mpt"
    wait_until_on
    end
    expect_complete x.mpt event
    expect_out "^  marks "
    expect_out " signal 1$"
    expect_out " signal 2$"
    expect_complete "x.$pid.mpt" event
    expect_no_out "signal 1$"
}

signals_that_will_not_do_are_refused() {
    run env LD_PRELOAD="$LIBRARY" MPRESS_TRACE_SIGNAL=SEGV MPRESS_MARK_SIGNAL=NONE /bin/true
    expect_status 0
    expect_err "^mpress: MPRESS_TRACE_SIGNAL=SEGV: "
    expect_err "^mpress: MPRESS_MARK_SIGNAL=NONE: there is no such signal"
    run env LD_PRELOAD="$LIBRARY" MPRESS_TRACE_SIGNAL=USR1 MPRESS_MARK_SIGNAL=10 /bin/true
    expect_err "^mpress: MPRESS_MARK_SIGNAL=10: .*already"
    run env LD_PRELOAD="$LIBRARY" MPRESS_TRACE_SIGNAL=33 MPRESS_MARK_SIGNAL=RTMAX+1 /bin/true
    expect_err "^mpress: MPRESS_TRACE_SIGNAL=33: "
    expect_err "^mpress: MPRESS_MARK_SIGNAL=RTMAX+1: there is no such signal"
}

a_flight_recorder_is_started_and_copied_while_it_goes_on() {
    command -v python3 >/dev/null || skip "no python3" || return 0
    begin_python_server
    run "$MPRESS" dump "$pid"
    expect_status 1
    expect_err "no trace runs there"
    run "$MPRESS" attach --mode flight -o flight.mpt "$pid"
    expect_status 0
    wait_for_rounds 50
    run "$MPRESS" dump "$pid"
    expect_status 0
    expect_out "^process $pid: copied: $PWD/mpress.$pid.dump.mpt$"
    run "$MPRESS" dump -o "mpress.$pid.dump.mpt" "$pid"
    expect_status 1
    expect_err "exists already"
    run "$MPRESS" dump "$pid"
    expect_status 0
    expect_out "^process $pid: copied: $PWD/mpress.$pid.dump.2.mpt$"
    run "$MPRESS" dump -o second.mpt "$pid"
    expect_status 0
    run "$MPRESS" detach "$pid"
    expect_status 0
    end
    for trace in "mpress.$pid.dump.mpt" second.mpt flight.mpt; do
        run "$MPRESS" report "$trace"
        expect_status 0
        expect_out "bytearray"
    done
}

run_tests
