#!/usr/bin/env bash
# `mpress report --savings`: what other ways of the heap would hold, by replay.
. "$(dirname "$0")/check.sh"
need_library

# 60,000 blocks of 300 bytes, which a class of 304 serves better than the one of 320.
record-wasteful() {
    run env PYTHONMALLOC=malloc "$MPRESS" record -q --no-children --mode events -o t.mpt -- \
        "$(python3 -c 'import sys; print(sys.executable)')" -c '
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
blocks = [libc.malloc(300) for _ in range(60000)]'
    expect_status 0
}

each_way_is_replayed_and_compared_with_the_heap_as_it_is() {
    command -v python3 >/dev/null || return 0
    record-wasteful
    run "$MPRESS" report --savings --runs 1 t.mpt
    expect_status 0
    expect_80_columns
    expect_out "^SAVINGS  by replay; [0-9.]* MiB asked for at the peak"
    for way in "as it is" "without melting" "melting at every chance" "size classes of its own" \
        "mimalloc's heap" "glibc's heap"; do
        expect_out "^  $way  *[0-9.]* MiB  *[0-9.]* [KM]iB  *-*[0-9.]* %"
    done
    run "$MPRESS" report --savings --runs 2 --json -o s.json t.mpt
    expect_status 0
    expect_no_out .
    python3 - s.json >err 2>&1 <<'END' || fail "the JSON is not as expected"
import json, sys
r = json.load(open(sys.argv[1]))
assert r["schema"] == "mpress-savings/1" and r["runs"] == 2 and r["peak_asked_bytes"] >= 18000000
ways = {c["candidate"]: c for c in r["candidates"]}
assert "saved_bytes" not in ways["mpress"]
classes = ways["classes"]
assert classes["saved_bytes"] == ways["mpress"]["peak_rss_bytes"]["median"] - classes["peak_rss_bytes"]["median"]
assert classes["saved_bytes"] > 500000, classes
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
