#!/usr/bin/env bash
# What record refuses, hands on and leaves behind.
. "$(dirname "$0")/check.sh"
need_library

programs_that_are_missing_are_refused_with_127() {
    run "$MPRESS" record -o t.mpt -- ./nowhere
    expect_status 127
    expect_one_line
    run "$MPRESS" record -o t.mpt -- no-such-command-anywhere
    expect_status 127
    expect_one_line
    expect_err "command not found"
}

programs_that_cannot_be_preloaded_are_refused_with_126() {
    echo text >plain
    run "$MPRESS" record -o t.mpt -- ./plain
    expect_status 126
    expect_err "not executable"
    chmod +x plain
    run "$MPRESS" record -o t.mpt -- ./plain
    expect_status 126
    expect_err "neither a program nor a script"
    run "$MPRESS" record -o t.mpt -- ./
    expect_status 126
    expect_err "is a directory"
    printf '#!/nowhere/sh\n' >script
    chmod +x script
    run "$MPRESS" record -o t.mpt -- ./script
    expect_status 126
    expect_err "its interpreter /nowhere/sh cannot be run"
    echo 'int main(void) { return 0; }' >static.c
    cc -static -o static static.c || fail "no static program can be made here"
    run "$MPRESS" record -o t.mpt -- ./static
    expect_status 126
    expect_one_line
    expect_err "statically linked: LD_PRELOAD cannot reach it"
    [ ! -e t.mpt ] || fail "a trace was begun"
}

programs_with_a_malloc_of_their_own_are_told_of_and_sanitized_ones_refused() {
    cat >own.c <<'END'
#include <stddef.h>
#include <stdio.h>
static char room[1 << 20];
static size_t used;
void *malloc(size_t bytes) { return used += 16, room + (used += bytes & ~15UL) - (bytes & ~15UL); }
void free(void *block) { (void)block; }
int main(void) { return puts("done") < 0 || malloc(100) == NULL; }
END
    cc -fno-builtin -o own own.c || fail "no compiler"
    run "$MPRESS" record -q -o t.mpt -- ./own
    expect_status 0
    expect_err "^mpress: ./own: has a malloc of its own: no block of it will be seen$"
    [ "$(cat out)" = done ] || fail "its output changed"
    run "$MPRESS" record -q -o u.mpt -- true
    expect_no_err .
    echo 'int main(void) { return 0; }' >plain.c
    for sanitizer in address thread; do
        cc -fsanitize=$sanitizer -o $sanitizer plain.c || fail "no $sanitizer sanitizer"
        run "$MPRESS" record -o $sanitizer.mpt -- ./$sanitizer
        expect_status 126
        expect_one_line
        expect_err "built with a sanitizer that has to be the allocator itself"
    done
}

an_existing_trace_is_kept_unless_forced() {
    echo precious >t.mpt
    run "$MPRESS" record -o t.mpt -- true
    expect_status 125
    expect_one_line
    expect_err "exists already"
    [ "$(cat t.mpt)" = precious ] || fail "it was overwritten"
    run "$MPRESS" record --force -o t.mpt -- true
    expect_status 0
    run "$MPRESS" report t.mpt
    expect_status 0
}

a_device_gets_no_trace_beside_it() {
    mkfifo fifo
    MPRESS_TRACE=events MPRESS_TRACE_FILE=$PWD/fifo LD_PRELOAD=$LIBRARY /bin/true 2>err || fail "it failed"
    expect_err "no trace: cannot create .*/fifo: Operation not supported"
    [ "$(ls fifo*)" = fifo ] || fail "a trace lies beside it"
}

a_folder_that_cannot_be_written_is_refused() {
    run "$MPRESS" record -o /nowhere/t.mpt -- true
    expect_status 125
    expect_one_line
}

the_exit_status_is_the_programs() {
    run "$MPRESS" record -o a.mpt -- sh -c 'exit 37'
    expect_status 37
    expect_err "sh ended with exit status 37"
    run "$MPRESS" record -o b.mpt -- bash -c 'kill -SEGV $$'
    expect_status 139
    expect_err "killed by signal 11 (Segmentation fault)"
}

what_comes_behind_the_program_is_the_programs() {
    run "$MPRESS" record -q -o args.mpt echo --help -o x
    expect_status 0
    [ "$(cat out)" = "--help -o x" ] || fail "its arguments were taken"
}

standard_output_is_the_programs_alone() {
    run "$MPRESS" record -o t.mpt -- echo hello
    expect_status 0
    [ "$(cat out)" = hello ] || fail "something else is on standard output"
    expect_err "^SUMMARY"
    expect_err "mpress report .*t.mpt"
    run "$MPRESS" record -q -o u.mpt -- echo hello
    expect_no_err SUMMARY
    expect_no_err "ended with"
}

a_signal_to_record_alone_is_handed_on() {
    "$MPRESS" record -o t.mpt -- bash -c 'trap "echo got it; exit 5" TERM
        echo ready; for i in {1..200}; do sleep 0.05; done' >out 2>err &
    local recorder=$!
    wait_for ready out
    kill -TERM $recorder
    wait $recorder
    status=$?
    expect_status 5
    expect_out "got it"
    expect_err "^SUMMARY"
}

ctrl_c_ends_the_program_and_is_summed_up() {
    # The terminal signals the whole group; record must outlive the program. What shell script calls
    # must not matter: some die of the signal themselves.
    command -v script >/dev/null || skip "no script" || return 0
    { wait_for "^ready" out; printf '\003'; wait_for "mpress replay" out; } |
        script -fqec "exec $MPRESS record -o t.mpt -- sh -c 'echo ready; exec sleep 60'" \
            /dev/null >out 2>err
    status=$?
    expect_status 130
    expect_out "killed by signal 2"
    expect_out SUMMARY
}

an_existing_preload_is_kept() {
    run env LD_PRELOAD=/nowhere/other.so "$MPRESS" record -q -o t.mpt -- printenv LD_PRELOAD
    expect_out "libmpress.so.*:/nowhere/other.so$"
}

the_default_name_has_program_and_process() {
    run "$MPRESS" record -- true
    expect_status 0
    ls mpress.true.[0-9]*.mpt >/dev/null 2>err || fail "no such trace"
    run "$MPRESS" record -o 'x.%p.mpt' -- true
    ls x.[0-9]*.mpt >/dev/null 2>err || fail "no such trace"
}

children_are_recorded_beside_and_listed() {
    run "$MPRESS" record -o t.mpt -- bash -c 'ls >/dev/null; ls >/dev/null; exit 0'
    expect_status 0
    expect_err "[0-9] programs were recorded"
    expect_err "t\.[0-9]*.*\.mpt  .*ls"
    run "$MPRESS" record --no-children -o u.mpt -- bash -c 'ls >/dev/null; ls >/dev/null; exit 0'
    expect_no_err "programs were recorded"
    [ "$(ls u.*mpt)" = u.mpt ] || fail "a child was recorded"
}

mode_events_records_no_stacks() {
    run "$MPRESS" record --mode events -o t.mpt -- ls
    expect_status 0
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out "The trace has no call stacks"
}

# A trace is no more exact than its 1220 samples: 20 % are seven standard errors.
mode_sample_records_some_and_estimates_all() {
    run "$MPRESS" record --mode sample --period 16K -o t.mpt -- "$KNOWN_SIZES"
    expect_status 0
    [ "$(cat out)" = done ] || fail "its output changed"
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out "sampled  *2,[0-9]* samples, one for 16.0 KiB"
    expect_out "complete  yes"
    expect_no_out "^TEMPORARY"
    for command in "replay --with glibc" tune; do
        run "$MPRESS" $command t.mpt
        expect_status 1
        expect_one_line
        expect_err "a trace of samples"
    done
    run "$MPRESS" report --json t.mpt
    python3 - <<'END' || fail "the estimates are wrong"
import json
report = json.load(open("out"))
kept, peak = report["not_freed"], report["peak"]
assert report["trace"]["sample_period"] == 16384
assert 16e6 < kept["bytes"] < 24e6 and 16e4 < kept["blocks"] < 24e4, kept
assert kept["bytes_low"] < kept["bytes"] < kept["bytes_high"] < 1.5 * kept["bytes"], kept
assert 32e6 < report["events"]["allocated_bytes"] < 48e6
assert sum(t["frees"] for t in report["threads"]) > 15e4
top = report["stacks"]["not_freed"]
assert not top or not top[0]["frames"] or top[0]["frames"][0]["function"] == "keep", top[0]
END
}

# 400,000 events; a block of the file holds 20,000 of them.
a_trace_of_limited_size_keeps_its_newest_part() {
    local options
    for options in "--mode events --max-size 1M" "--mode flight --keep 256K"; do
        rm -f t.mpt
        run "$MPRESS" record -q $options -o t.mpt -- "$KNOWN_SIZES"
        expect_status 0
        [ "$(cat out)" = done ] || fail "its output changed"
        [ "$(stat -c %s t.mpt)" -le $((1 << 20)) ] || fail "the trace has $(stat -c %s t.mpt) bytes"
        run "$MPRESS" report t.mpt
        expect_status 0
        expect_out "newest  *[0-9,]* events were written over; whole since"
        expect_out "complete  not proven: [0-9]* events of its beginning were written over"
        run "$MPRESS" report --json t.mpt
        grep -q '"lost_frees": 0' out || fail "an event was invented"
        run "$MPRESS" replay -q --runs 1 --with glibc t.mpt
        expect_status 0
    done
}

a_trace_of_less_than_the_least_size_is_refused() {
    run "$MPRESS" record --max-size 300K -o t.mpt -- true
    expect_status 2
    expect_one_line
    expect_err "--max-size 300K: 1.00 MiB at least"
    run "$MPRESS" record --keep 1K --mode flight -o t.mpt -- true
    expect_err "--keep 1K: 128 KiB at least"
    run env LD_PRELOAD="$LIBRARY" MPRESS_TRACE_MAX_SIZE=4096 true
    expect_err "MPRESS_TRACE_MAX_SIZE=4096: not a value of this option (1048576\.\..* bytes)"
    run env LD_PRELOAD="$LIBRARY" MPRESS_TRACE_MAX_SIZE=0 true
    expect_no_err .
}

counters_need_no_trace() {
    run env LD_PRELOAD="$LIBRARY" MPRESS_TRACE=counters MPRESS_LEAKS=1 true
    expect_status 0
    expect_no_err "not a value"
    [ -z "$(ls ./*.mpt 2>/dev/null)" ] || fail "a trace was written"
}

a_flight_recorder_tells_which_signal_ended_the_program_and_where() {
    run "$MPRESS" record -q --mode flight -o a.mpt -- "$CRASHING"
    expect_status 139
    run "$MPRESS" report a.mpt
    expect_status 0
    expect_out "SIGSEGV (11) at address 0x18, in thread [0-9]*, after"
    sed -n '/^SIGNAL/,/^VERDICT/p' out >section
    grep -q "has no call stacks" out || grep -q "^ *fall " section || fail "it was in fall()"
    local kind
    for kind in overflow "overflow aside" "overflow allocating"; do
        rm -f a.mpt
        run "$MPRESS" record -q --mode flight -o a.mpt -- "$CRASHING" "$kind"
        expect_status 139
        run "$MPRESS" report a.mpt
        expect_out "SIGSEGV (11) at address 0x[0-9a-f]*, in thread [0-9]*, after"
        sed -n '/^SIGNAL/,/^VERDICT/p' out >section
        grep -q "has no call stacks" out || grep -q "^ *descend[a-z_]* " section || fail "it was in descend()"
    done
    run "$MPRESS" record -q --mode flight -o b.mpt -- "$CRASHING" abort
    expect_status 134
    run "$MPRESS" report b.mpt
    expect_out "SIGABRT (6), in thread"
    run "$MPRESS" record -q --mode flight -o c.mpt -- "$CRASHING" raise
    expect_status 136
    run "$MPRESS" report --json c.mpt
    expect_out '"signal": 8'
    expect_out '"number": 8'
    expect_out '"is_fault": false'
    run "$MPRESS" record -q --mode flight -o d.mpt -- "$CRASHING" handled
    expect_status 7
    expect_out handled
    run "$MPRESS" record -q --mode full -o e.mpt -- "$CRASHING"
    expect_status 139
    run "$MPRESS" report e.mpt
    expect_no_out "^SIGNAL"
}

# Exact, though the program has threads that go on: no free is lost, no block invented.
traces_are_started_and_stopped_by_the_program() {
    run env LD_PRELOAD="$LIBRARY" MPRESS_TRACE_PERIOD=8K "$SWITCHING"
    expect_status 0
    [ "$(cat out)" = done ] || fail "its output changed"
    [ ! -e x.mpt ] || fail "a trace in no mode was begun"
    local trace
    for trace in alone part0 part1 sampled sampled.[0-9]*; do
        run "$MPRESS" report --json --top 1 "${trace%.mpt}.mpt"
        expect_status 0
        python3 - $trace <<'END' || fail "$trace is wrong"
import json, sys
report = json.load(open("out"))
assert report["trace"]["complete"], report["trace"]
if not sys.argv[1].startswith("sampled"):
    assert report["process"]["end"] == "recording was stopped before its end"
    assert report["events"]["lost_frees"] == 0, report["events"]
    left = next(size for size in report["sizes"] if size["up_to"] == 1024)["not_freed"]
    assert 1000 <= left["blocks"] < 1070 and 777000 <= left["bytes"], left
END
    done
    # Copies of them: no death without the birth that another thread told, whoever was copied first.
    for trace in part[01].dump.mpt; do
        run "$MPRESS" report --json --top 1 "$trace"
        expect_status 0
        python3 - <<'END' || fail "$trace is wrong"
import json
events = json.load(open("out"))["events"]
assert events["lost_frees"] == 0 and events["unknown_frees"] < 70, events
assert events["events"] > 1000, events
END
    done
}

a_leak_of_a_real_program_is_told_with_its_line() {
    run "$MPRESS" record -o t.mpt -- "$LEAKY"
    expect_status 0
    run "$MPRESS" report t.mpt
    grep -q "has no call stacks" out && return # this library was built without libunwind
    sed -n '/^NOT FREED/,/^PEAK/p' out >section
    local line
    line=$(grep -n LEAK "$SOURCE/tests/cli/leaky.cpp" | cut -d: -f1)
    grep -q "48.8 KiB .* in 50 blocks" section || fail "50 sessions of 1000 bytes are not listed"
    grep -A1 "in 50 blocks" section | grep -q "open_session.*leaky.cpp:$line" ||
        fail "the innermost frame is not open_session, line $line"
    grep -A2 "in 50 blocks" section | grep -q "serve.*leaky.cpp:" || fail "no caller"
}

a_script_that_becomes_its_program_is_summed_up_as_that() {
    run "$MPRESS" record -o t.mpt -- bash -c 'exec ls /'
    expect_status 0
    expect_err "^\*.*  ls /$"
}

a_program_killed_without_warning_leaves_a_readable_trace() {
    run "$MPRESS" record -o t.mpt -- bash -c 'for i in {1..1000}; do x=$x$i; done; kill -KILL $$'
    expect_status 137
    expect_err "killed by signal 9"
    expect_err SUMMARY
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out "no end record"
    expect_out "not freed when the trace ends"
}

a_trace_that_is_removed_while_it_is_written_is_missed_quietly_too() {
    mkdir folder
    for mode in full flight; do
        run "$MPRESS" record -q --no-children --mode $mode -o folder/t.mpt -- \
            sh -c 'rm -rf folder; for i in 1 2 3; do (:); done; echo done'
        expect_status 0
        [ "$(cat out)" = done ] || fail "its output changed"
        [ "$(wc -l <err)" -eq 1 ] || fail "not one line"
        expect_err "no trace is in .*/folder/t.mpt: .* or it was removed$"
        mkdir folder
    done
}

progress_is_shown_on_a_terminal_and_taken_away() {
    command -v script >/dev/null || skip "no script" || return 0
    run script -qec "$MPRESS record --progress -o t.mpt -- sleep 1" /dev/null
    expect_out "recording: .* trace .* resident"
    run script -qec "$MPRESS record -o u.mpt -- sleep 1" /dev/null
    expect_no_out "recording:"
    run "$MPRESS" record --progress -o v.mpt -- sleep 1
    expect_no_err "recording:"
}

a_recorded_trace_is_proven_complete() {
    run "$MPRESS" record -o t.mpt -- ls /
    expect_status 0
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out "complete  yes"
}

a_library_that_is_not_there_is_said_so() {
    run env MPRESS_LIBRARY=/nowhere/libmpress.so "$MPRESS" record -o z.mpt -- true
    expect_status 125
    expect_one_line
    run env MPRESS_LIBRARY=/nowhere/libmpress.so "$MPRESS" options
    expect_status 1
    expect_one_line
}

a_library_whose_path_cannot_be_preloaded_is_said_so() {
    mkdir "a folder"
    cp "$LIBRARY" "a folder/libmpress.so"
    run env MPRESS_LIBRARY="a folder/libmpress.so" "$MPRESS" record -o z.mpt -- true
    expect_status 125
    expect_one_line
    expect_err "blank"
}

environment_and_arguments_are_the_programs_own() {
    for mode in events full; do
        run env -i A=1 B="two words" "$MPRESS" record --mode $mode -o $mode.mpt -- \
            /bin/sh -c 'echo "$A|$B|$1|$0"' name argument
        expect_out '^1|two words|argument|name$'
        run "$MPRESS" record --mode $mode -o n$mode.mpt -- cat /nowhere
        expect_err '^cat: /nowhere:' # program_invocation_name is the program's
    done
    for heap in mimalloc mixed; do
        run env MPRESS_HEAP=$heap LD_PRELOAD="$LIBRARY" A=1 /bin/sh -c 'echo "$A|$1|$0"' name arg
        expect_out '^1|arg|name$'
    done
}

frees_in_destructors_of_other_libraries_are_recorded() {
    run "$MPRESS" record -o a.mpt -- "$STATICS"
    run "$MPRESS" report --json a.mpt
    python3 - <<-'END' || fail "frees of a destructor are missing"
	import json
	not_freed = json.load(open("out"))["not_freed"]
	assert not_freed["bytes"] < 100000, not_freed
	END
}

frees_behind_a_threads_last_destructor_need_no_room_of_their_own() {
    run "$MPRESS" record -q --mode events -o t.mpt -- "$LATE_FREES"
    expect_status 0
    [ "$(stat -c %s t.mpt)" -lt $((4 << 20)) ] || fail "the trace has $(stat -c %s t.mpt) bytes"
}

what_a_handler_inside_malloc_does_is_recorded_or_counted_as_dropped() {
    run "$MPRESS" record -q --mode events -o t.mpt -- "$HANDLER_REALLOCS"
    expect_status 0
    run "$MPRESS" report --json t.mpt
    python3 - <<-'END' || fail "blocks are missing, and no event counts as dropped"
	import json
	report = json.load(open("out"))
	events, not_freed = report["events"], report["not_freed"]
	whole = events["unknown_frees"] == 0 and not_freed["blocks"] == 0
	assert whole or events["dropped"] > 0, (events, not_freed)
	END
}

what_a_handler_allocates_and_frees_is_recorded_or_dropped_to_the_event() {
    local mode signals
    for mode in events full; do
        for signals in 0 2000; do
            run "$MPRESS" record -q --force --mode $mode -o t.mpt -- "$HANDLER_REALLOCS" pairs $signals
            expect_status 0
            mv out made.$signals
            "$MPRESS" report --json -o report.$signals t.mpt
        done
        python3 - <<-'END' || fail "mode $mode: events are neither there nor dropped"
	import json
	others = []
	for signals in 0, 2000:
	    events = json.load(open(f"report.{signals}"))["events"]
	    others.append(events["events"] + events["dropped"] - int(open(f"made.{signals}").read()))
	    print(signals, events)
	assert others[0] == others[1], others
	assert events["dropped"] > 0, events
	END
    done
}

every_free_is_of_its_block_when_threads_hand_blocks_on() {
    run "$MPRESS" record -q --mode events -o t.mpt -- "$HANDOVERS" log
    expect_status 0
    run "$HANDOVERS" log t.mpt
    expect_status 0
    expect_out '^0 wrong, complete$'
}

options_are_those_of_the_library() {
    run env MPRESS_STATS=1 MPRESS_TRACE=full MPRESS_RESERVE=64M "$MPRESS" options
    expect_status 0
    expect_80_columns
    expect_out '^\* MPRESS_STATS=1$'
    expect_out '^\* MPRESS_TRACE=full$'
    expect_out '^\* MPRESS_RESERVE=67108864$'
    expect_out '^  MPRESS_FIT=best$'
    ! ls ./*.mpt 2>/dev/null | grep -q 'mpress\.[0-9]' || fail "asking for options left a trace"
    run "$MPRESS" options --json
    python3 -m json.tool out >/dev/null 2>err || fail "not JSON"
}

run_tests
