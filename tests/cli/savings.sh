#!/usr/bin/env bash
# `mpress report --savings`: what other ways of the heap would hold, by replay.
. "$(dirname "$0")/check.sh"
need_library

each_way_is_replayed_and_compared_with_the_heap_as_it_is() {
    "$MAKE_TRACE" wasteful t.mpt
    run "$MPRESS" report --savings --runs 1 t.mpt
    expect_status 0
    expect_80_columns
    expect_out "^SAVINGS  by replay; [0-9.]* MiB asked for at the peak"
    for way in "as it is" "without melting" "melting at every chance" "4 classes in a doubling" \
        "2 classes in a doubling" "size classes of its own" "mimalloc's heap" "glibc's heap"; do
        expect_out "^  $way  *[0-9.]* MiB  *[0-9.]* [KM]iB  *-*[0-9.]* %"
    done
    run "$MPRESS" report --savings --runs 2 --json -o s.json t.mpt
    expect_status 0
    expect_no_out .
    python3 - s.json >err 2>&1 <<'END' || fail "the JSON is not as expected"
import json, sys
r = json.load(open(sys.argv[1]))
assert r["schema"] == "mpress-savings/1" and r["runs"] == 2 and r["peak_asked_bytes"] == 9000000
ways = {c["candidate"]: c for c in r["candidates"]}
assert "saved_bytes" not in ways["mpress"]
classes = ways["classes"]
assert classes["saved_bytes"] == ways["mpress"]["peak_rss_bytes"]["median"] - classes["peak_rss_bytes"]["median"]
assert classes["saved_bytes"] > 250000, classes
assert ways["spacing_2"]["saved_bytes"] < -1500000, ways["spacing_2"]
assert abs(ways["spacing_4"]["saved_bytes"]) < 200000, ways["spacing_4"]
assert classes["certain"] is (abs(classes["saved_bytes"]) > classes["noise_bytes"])
END
}

a_trace_that_no_profile_helps_has_no_such_row() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --savings --runs 1 t.mpt
    expect_status 0
    expect_out "^  No size class or magazine of its own would pay."
    expect_no_out "size classes of its own"
    expect_no_out "whole profile"
}

what_cannot_be_replayed_is_refused_in_one_line() {
    for words in "" "a b" "--runs 0 a" "--runs x a" "--html a" "--top 3 a"; do
        # shellcheck disable=SC2086
        run "$MPRESS" report --savings $words
        expect_status 2
        expect_one_line
    done
    "$MAKE_TRACE" empty t.mpt
    for file in t.mpt nowhere.mpt; do
        run "$MPRESS" report --savings $file
        expect_status 1
        expect_one_line
    done
    run "$MPRESS" report --savings --help
    expect_status 0
    expect_80_columns
}

run_tests
