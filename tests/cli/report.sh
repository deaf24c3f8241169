#!/usr/bin/env bash
# The report of traces whose contents are known beforehand.
. "$(dirname "$0")/check.sh"

a_file_that_is_missing_or_no_trace_is_refused_in_one_line() {
    run "$MPRESS" report nowhere.mpt
    expect_status 1
    expect_one_line
    expect_err nowhere.mpt
    for content in "" "not a trace" "$(head -c 20000 /dev/zero | tr '\0' x)"; do
        printf %s "$content" >bad.mpt
        run "$MPRESS" report bad.mpt
        expect_status 1
        expect_one_line
    done
    run "$MPRESS" report .
    expect_status 1
    expect_one_line
    "$MAKE_TRACE" cut-header cut.mpt
    run "$MPRESS" report cut.mpt
    expect_status 1
    expect_one_line
}

what_was_not_freed_is_told_with_function_file_and_line() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_80_columns
    expect_out "7.00 KiB in 7 blocks not freed at exit"
    expect_out "^NOT FREED AT EXIT  7.00 KiB in 7 blocks"
    expect_out " leaf .*make_trace.c:[0-9]"
    expect_out " bud \[inlined\] .*make_trace.c:[0-9]"
    sed -n '/^NOT FREED/,/^PEAK/p' out | grep -o -w -e leaf -e branch -e trunk | tr '\n' ' ' >order
    [ "$(cat order)" = "leaf branch trunk " ] || fail "frames are out of order: $(cat order)"
}

the_peak_is_told_with_what_held_it() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report t.mpt
    expect_out "^PEAK  164 KiB in 101 blocks"
    expect_out "1. 100 KiB (61.0 %) in 100 blocks"
    expect_out "2. 64.0 KiB (39.0 %) in 1 block"
}

fragmentation_adds_up_to_the_resident_heap() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report t.mpt
    expect_out "asked for by the program  *164 KiB 82.0 %  *7.00 KiB 25.0 %"
    expect_out "internal: .* 16.0 KiB  *8.0 %  *1.00 KiB  *3.6 %"
    expect_out "= resident heap  *200 KiB  *100 %  *28.0 KiB  *100 %"
    expect_out "fragmentation: .* 18.0 %  *75.0 %"
    expect_out "scatter X: .* 36.0 %"
    expect_out "coverage: .* 100.0 %  *56.0 %"
}

json_holds_the_same_numbers() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --json t.mpt
    expect_status 0
    python3 - out >err 2>&1 <<'END' || fail "the JSON is not as expected"
import json, sys
r = json.load(open(sys.argv[1]))
assert r["schema"] == "mpress-report/1"
assert r["process"]["command"] == ["./app", "--rows", "3"]
assert r["trace"]["complete"] is True
assert r["not_freed"] == {"bytes": 7168, "blocks": 7}
assert r["peak"]["bytes"] == 164 * 1024 and r["peak"]["blocks"] == 101
assert r["events"]["events"] == 298 and r["events"]["temporary"] == 52
look = r["fragmentation"]["at_largest_rss"]
parts = ["asked", "internal", "external", "cached", "dirty", "meta"]
assert sum(look[p] for p in parts) == look["resident_heap"] == 200 * 1024
assert abs(look["fragmentation"] - 0.18) < 1e-9
assert abs(look["scatter"] - 0.36) < 1e-9
top = r["stacks"]["not_freed"][0]
assert [f["function"] for f in top["frames"]] == ["bud", "leaf", "branch", "trunk"]
assert top["frames"][0]["inlined"] is True and top["frames"][1]["line"] > 0
over = r["over_allocation"]
assert over["requests"] == {"blocks": 153, "asked": 169036, "spare": 12884}, over
assert over["at_largest"]["spare"] == 12800 and over["internal"] == 16 * 1024
assert over["stacks"][0]["frames"][0]["function"] == "bud"
rate = r["rate"]
assert sum(w["allocations"] for w in rate["windows"]) == 153
assert rate["busiest"]["allocations"][0]["stacks"][0]["frames"][0]["function"] == "bud"
assert r["latency"]["calls"] == 1000 and r["latency"]["max_ns"] == 6000000
assert sum(b["calls"] for b in r["latency"]["buckets"]) == 1000
assert r["reallocations"] == {"calls": 1, "in_place": 0, "moved": 1, "grown": 1, "shrunk": 0,
                              "copied_bytes_at_most": 100}
assert [s["allocations"] for s in r["sizes"]] == [50, 1, 1, 100, 1]
assert r["threads"][0]["tid"] == 4711 and r["threads"][0]["name"] == "worker"
assert r["threads"][0]["at_peak"] == {k: r["peak"][k] for k in ("bytes", "blocks")}, r["threads"]
assert len(r["course"]["asked"]) == 64 and max(r["course"]["asked"]) == r["peak"]["bytes"]
assert r["signal"] is None
END
}

that_samples_have_no_map_is_told_and_what_has_one() {
    "$MAKE_TRACE" sampled t.mpt
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out "^PAGES  not known: this is a trace of samples"
    expect_out "mpress record --mode full, or events"
    run "$MPRESS" report --json t.mpt
    expect_out '"maps": \[\]'
}

over_allocation_is_told_by_class_and_stack() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report t.mpt
    expect_out "^OVER-ALLOCATION  12.5 KiB (7.1 %) when most was resident"
    expect_out "^  requests it is 12.6 KiB (7.1 %); the heap itself counted, when most was$"
    expect_out "257 to 1152 *100 *12.5 KiB *11.1 % *100 *12.5 KiB *11.1 %"
    expect_out "1. 12.5 KiB spare (100 %) in 100 blocks of 100 KiB, 12.5 KiB over all"
    expect_out "2. 84 B over all"
    expect_80_columns
    "$MAKE_TRACE" clean c.mpt
    run "$MPRESS" report c.mpt
    expect_out "^OVER-ALLOCATION  not known: the heap did not tell"
}

the_rate_is_told_over_time_with_the_busiest_moments() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report t.mpt
    expect_out "^ALLOCATION RATE  [0-9.]* [kMG]/s and [0-9.]* [KMG]iB/s on average"
    expect_out "^  after [0-9.]* [nu]s  [0-9.]* [kMG]/s, "
    expect_out "^ *[0-9.]* %  leaf, called by branch"
}

latencies_are_told_and_can_fail_a_build() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report t.mpt
    expect_out "^LATENCY  of malloc, calloc, new and aligned: 1,000 calls"
    expect_out " 99 % *97 ns$"
    expect_out " all *6.00 ms$"
    run "$MPRESS" report --summary --fail-on 'peak>1G' --fail-on 'max_malloc>5ms' t.mpt
    expect_status 3
    expect_err "^mpress: failed: max_malloc>5ms (max_malloc is 6.00 ms)$"
    run "$MPRESS" report --summary --fail-on 'peak>1G' --fail-on 'p99_malloc>5ms' t.mpt
    expect_status 0
}

folded_stacks_are_one_line_each_outermost_first() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --folded t.mpt
    expect_status 0
    [ "$(cat out)" = "trunk;branch;leaf;bud 7168" ] || fail "unexpected lines"
    run "$MPRESS" report --folded=peak t.mpt
    [ "$(sort out | tr '\n' ' ')" = "trunk;branch 65536 trunk;branch;leaf;bud 102400 " ] ||
        fail "unexpected lines"
    run "$MPRESS" report --folded=temporary t.mpt
    expect_out "^trunk 51$"
}

top_and_depth_limit_what_is_listed() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --top 1 t.mpt
    expect_out "and 1 more stack with 64.0 KiB at the peak"
    run "$MPRESS" report --depth 1 t.mpt
    expect_out "2 frames further out"
    run "$MPRESS" report --all t.mpt
    expect_no_out "more stack"
}

the_trace_of_a_killed_process_is_read_and_said_to_be_cut() {
    "$MAKE_TRACE" killed t.mpt
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out "no end record"
    expect_out "complete  not proven"
    expect_out "7.00 KiB in 7 blocks not freed when the trace ends"
    expect_out "^NOT FREED SO FAR"
}

a_trace_cut_in_a_block_is_read_up_to_there() {
    "$MAKE_TRACE" cut-block t.mpt
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out "warnings  cut inside block"
}

everything_freed_is_said_so() {
    "$MAKE_TRACE" clean t.mpt
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out "Everything was freed at exit"
    expect_out "1 block freed by another thread than allocated it"
    expect_out "holds no sample"
}

an_empty_trace_is_no_error() {
    "$MAKE_TRACE" empty t.mpt
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out "The trace holds no allocation"
    run "$MPRESS" report --json t.mpt
    expect_status 0
    run "$MPRESS" report --folded t.mpt
    expect_status 0
}

a_module_that_was_replaced_is_not_used_for_symbols() {
    "$MAKE_TRACE" changed-module t.mpt
    run "$MPRESS" report t.mpt
    expect_status 0
    expect_out "sh+0x5000"
    expect_out "/bin/sh: the module has changed since"
}

texts_of_a_hostile_trace_never_reach_the_terminal_as_commands() {
    "$MAKE_TRACE" hostile t.mpt
    for form in "" --json --folded --summary --all; do
        # shellcheck disable=SC2086
        run "$MPRESS" report $form t.mpt
        expect_status 0
        ! LC_ALL=C grep -q -e "$(printf '[\001-\010\013-\037]')" out || fail "control characters"
    done
    run "$MPRESS" report --json t.mpt
    python3 -m json.tool out >/dev/null 2>err || fail "not JSON"
}

colour_is_for_terminals_only() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report t.mpt
    expect_no_out "$(printf '\033')"
    command -v script >/dev/null || skip "no script" || return 0
    run script -qec "$MPRESS report t.mpt" /dev/null
    expect_out "$(printf '\033')"
    run env NO_COLOR=1 script -qec "$MPRESS report t.mpt" /dev/null
    expect_no_out "$(printf '\033')\[1m"
    run script -qec "$MPRESS report --no-color t.mpt" /dev/null
    expect_no_out "$(printf '\033')\[1m"
}

a_report_that_cannot_be_written_is_a_failure() {
    "$MAKE_TRACE" leaky t.mpt
    "$MPRESS" report t.mpt >/dev/full 2>err
    status=$?
    expect_status 1
    expect_err "could not be written"
}

a_condition_that_holds_is_said_and_is_status_3() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --summary --fail-on 'not_freed>7K' --fail-on 'peak>1G' t.mpt
    expect_status 0
    expect_no_err .
    run "$MPRESS" report --summary --fail-on 'peak>1G' --fail-on 'not_freed>=7K' t.mpt
    expect_status 3
    expect_out "SUMMARY"
    expect_err "^mpress: failed: not_freed>=7K (not_freed is 7.00 KiB)$"
    [ "$(wc -l <err)" -eq 1 ] || fail "more than one line"
    for condition in 'not_freed_blocks>6' 'not_freed_blocks<8' 'allocations>149' 'temporary>=52' \
        'fragmentation>17.9%' 'fragmentation<0.19' 'resident_heap<=200KiB' 'failed<1' \
        'duration<1min' 'rss>1'; do
        run "$MPRESS" report --summary --fail-on "$condition" t.mpt
        expect_status 3
    done
    for condition in 'not_freed_blocks>7' 'allocations>1e6' 'temporary>52' 'fragmentation>18.1%' \
        'fragmentation<0.17' 'dropped>0' 'duration>1min'; do
        run "$MPRESS" report --summary --fail-on "$condition" t.mpt
        expect_status 0
    done
}

what_is_missing_is_said_first() {
    "$MAKE_TRACE" dropping dropping.mpt
    run "$MPRESS" report --summary dropping.mpt
    expect_80_columns
    grep -A1 "^SUMMARY" out | grep -q "EVENTS ARE MISSING: 702 of 1,000 (70.2 %) were dropped" || fail "not first"
    expect_out "not freed at exit"
    run "$MPRESS" report --summary --fail-on 'dropped>701' dropping.mpt
    expect_status 3
    "$MPRESS" report --json dropping.mpt | grep -q '"dropped": 702' || fail "JSON does not know"
    "$MAKE_TRACE" early early.mpt
    run "$MPRESS" report early.mpt
    grep -A1 "^VERDICT" out | grep -q "PART OF THE RUN" || fail "not first"
    expect_out "not proven: the recording ended early"
    expect_out "not freed when the trace ends"
    "$MAKE_TRACE" stopped stopped.mpt
    run "$MPRESS" report stopped.mpt
    expect_out "not freed when the trace ends"
}

a_condition_that_cannot_be_told_or_read_is_refused() {
    "$MAKE_TRACE" clean t.mpt
    run "$MPRESS" report --summary --fail-on 'rss>1G' t.mpt
    expect_status 2
    expect_err "does not tell rss"
    run "$MPRESS" report --summary --fail-on 'p99_malloc>5ms' t.mpt
    expect_status 2
    expect_err "^mpress: --fail-on 'p99_malloc>5ms': the trace does not tell p99_malloc$"
    for condition in 'peak' 'peak>' 'peak>+5%' 'peak>x' 'peak>1X' 'peak>-1' 'peak>nan' 'weight>1' '>1' \
        'duration>5' 'fragmentation>5K' 'allocations>5%'; do
        run "$MPRESS" report --fail-on "$condition" t.mpt
        expect_status 2
        expect_one_line
    done
}

run_tests
