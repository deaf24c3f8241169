#!/usr/bin/env bash
# Traces are made smaller while they are recorded and afterwards, and no event is ever lost by it.
. "$(dirname "$0")/check.sh"
need_library

# expect_complete TRACE: proven complete; the number of its events in $events.
function expect_complete {
    run "$MPRESS" report --json --top 1 "$1"
    expect_status 0
    events=$(python3 -c '
import json
report = json.load(open("out"))
assert report["trace"]["complete"], report["trace"]
print(report["events"]["events"])' 2>err) || fail "$1 is not complete"
}

function same_report { # TRACE OTHER: but for their own lengths and names
    for trace in "$1" "$2"; do
        "$MPRESS" report --json "$trace" 2>"said.$trace" |
            sed -e "s/$trace/TRACE/" -e '/^    "bytes": [0-9]*,$/d' >"report.$trace"
        sed -i "s/$trace/TRACE/" "said.$trace"
    done
    cmp -s "report.$1" "report.$2" || fail "the reports differ: $(diff "report.$1" "report.$2")"
    cmp -s "said.$1" "said.$2" || fail "the warnings differ"
}

what_is_recorded_is_packed() {
    run "$MPRESS" record -o t.mpt -- bash -c 'ls /; ls /usr; exit 0'
    expect_status 0
    expect_err "^SUMMARY"
    run "$MPRESS" record --no-pack -o u.mpt -- bash -c 'ls /; ls /usr; exit 0'
    expect_status 0
    ! ls ./*.packing >/dev/null 2>&1 || fail "something was left behind"
    for trace in t.mpt u.mpt; do
        expect_complete "$trace"
    done
    [ "$(stat -c %s t.mpt)" -lt 30000 ] || fail "t.mpt is not packed"
    [ "$(stat -c %s u.mpt)" -gt 100000 ] || fail "u.mpt is packed"
    run "$MPRESS" pack ./*.mpt
    expect_status 0
    expect_out "^./t.mpt: packed already"
    expect_out "^./u.mpt: .* packed from"
    expect_complete u.mpt
}

packed_traces_serve_every_command() {
    run "$MPRESS" record --no-pack -q -o a.mpt -- bash -c 'x=; for i in {1..2000}; do x=$x$i; done'
    cp a.mpt b.mpt
    run "$MPRESS" pack b.mpt
    expect_status 0
    same_report a.mpt b.mpt
    run "$MPRESS" replay --with glibc --runs 1 --json b.mpt
    expect_status 0
    run "$MPRESS" tune --json b.mpt
    expect_status 0
    run "$MPRESS" unpack b.mpt
    expect_status 0
    cmp -s a.mpt b.mpt || fail "unpacked it is another trace"
    run "$MPRESS" unpack b.mpt
    expect_status 0
    expect_out "not packed"
}

# begin NAME [child]: records a program that runs until NAME.end is there; waits until parts of its
# trace are packed and given back.
function begin {
    "$MPRESS" record -q -o "$1.mpt" -- "$BUSY" "$1.end" ${2-} >"$1.out" 2>"$1.err" </dev/null &
    recorder=$!
    for _ in {1..1200}; do
        [ "$(stat -c %s "$1.mpt.packing" 2>/dev/null || echo 0)" -gt 100000 ] && return
        sleep 0.05
    done
    fail "nothing was packed while it ran"
}

blocks_are_packed_while_the_program_runs_and_given_back() {
    begin t child
    local given_back=
    for _ in {1..600}; do
        [ $(($(stat -c '%b * 512' t.mpt) + 1000000)) -lt "$(stat -c %s t.mpt)" ] &&
            given_back=yes && break
        sleep 0.05
    done
    run "$MPRESS" report --summary t.mpt
    expect_status 0
    touch t.end
    wait $recorder
    [ "$(cat t.out)" = done ] || fail "the program said something else"
    [ -n "$given_back" ] || fail "no disk space was given back"
    [ ! -e t.mpt.packing ] || fail "it was not finished"
    for trace in t.mpt t.[0-9]*.mpt; do
        expect_complete "$trace"
        [ "$events" -gt 100000 ] || fail "$trace has $events events only"
        [ "$(head -c 8 "$trace" | tail -c 7)" = PTPACK1 ] || fail "$trace is not packed"
    done
}

a_killed_recorder_leaves_all_there_is() {
    begin t
    sleep 0.$((RANDOM % 4))
    kill -KILL $recorder
    wait $recorder 2>/dev/null
    run "$MPRESS" pack t.mpt
    expect_status 1
    expect_err "still writes it"
    touch t.end
    wait_for done t.out
    for _ in {1..200}; do # its end record comes a little later
        "$MPRESS" report --json --top 1 t.mpt 2>/dev/null | grep -q '"complete": true' && break
        sleep 0.1
    done
    [ -e t.mpt.packing ] || fail "the recorder was not killed in time"
    expect_complete t.mpt
    local whole=$events
    for _ in {1..200}; do
        run "$MPRESS" pack t.mpt
        [ $status -eq 0 ] && break
        sleep 0.1
    done
    expect_status 0
    [ ! -e t.mpt.packing ] || fail "it was not taken up"
    expect_complete t.mpt
    [ "$events" -eq "$whole" ] || fail "$events events, $whole before"
}

a_killed_program_leaves_a_packed_trace() {
    begin t
    kill -KILL $(cat "/proc/$recorder/task/$recorder/children")
    wait $recorder
    [ $? -eq 137 ] || fail "not the program's status"
    [ ! -e t.mpt.packing ] || fail "it was not finished"
    run "$MPRESS" report --json --top 1 t.mpt
    expect_status 0
    python3 - <<-'END' || fail "events are missing"
	import json
	report = json.load(open("out"))
	assert "no end record" in report["process"]["end"], report["process"]
	assert report["events"]["events"] > 100000 and report["events"]["lost_frees"] == 0
	assert report["events"]["unknown_frees"] < 10
	END
}

what_is_no_trace_is_refused_and_kept() {
    echo precious >t.mpt
    for command in pack unpack; do
        run "$MPRESS" $command t.mpt
        expect_status 1
        expect_one_line
        run "$MPRESS" $command
        expect_status 2
        expect_one_line
        run "$MPRESS" $command nowhere.mpt
        expect_status 1
        expect_one_line
    done
    [ "$(cat t.mpt)" = precious ] || fail "it was overwritten"
    [ "$(ls)" = "$(printf 'err\nout\nt.mpt')" ] || fail "something was left: $(ls)"
}

run_tests
