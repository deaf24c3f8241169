#!/usr/bin/env bash
# A profile out of a trace, its use by the library, and its proof by replay.
. "$(dirname "$0")/check.sh"
need_library

# A program that fills its heap with 300 bytes at a time.
program='
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.malloc_usable_size.restype = ctypes.c_size_t
libc.malloc_usable_size.argtypes = [ctypes.c_void_p]
blocks = [libc.malloc(300) for _ in range(20000)]
print("usable", libc.malloc_usable_size(blocks[-1]))'
python=$(python3 -c 'import sys; print(sys.executable)')

record-program() {
    run env PYTHONMALLOC=malloc "$MPRESS" record -q --no-children --mode events -o t.mpt -- \
        "$python" -c "$program"
    expect_status 0
    expect_out "usable 320"
}

a_profile_is_written_and_the_library_obeys_it() {
    record-program
    run "$MPRESS" tune t.mpt
    expect_status 0
    expect_80_columns
    expect_out "^EXACT CLASSES  "
    expect_out "^     304  "
    expect_out "^written: t.profile"
    [ "$(head -1 t.profile)" = "mpress-profile 1" ] || fail "no profile: $(head -1 t.profile)"
    grep -q "^class 304 " t.profile || fail "the class is missing"
    run env MPRESS_PROFILE="$PWD/t.profile" LD_PRELOAD="$LIBRARY" "$python" -c "$program"
    expect_out "usable 304"
    expect_no_err mpress
}

a_faulty_profile_is_told_in_one_line_and_changes_nothing() {
    printf 'mpress-profile 1\nclass 300\nend\n' >p
    run env MPRESS_PROFILE=p LD_PRELOAD="$LIBRARY" "$python" -c "$program"
    expect_status 0
    expect_out "usable 320"
    expect_err "MPRESS_PROFILE=p: line 2: a class is a multiple of 16"
    run env MPRESS_PROFILE=p MPRESS_LIBRARY="$LIBRARY" "$MPRESS" options
    expect_out "^  MPRESS_PROFILE=none"
    run env MPRESS_PROFILE=/dev/zero LD_PRELOAD="$LIBRARY" true
    expect_err "not a regular file"
}

statistics_tell_what_each_class_is_asked_for() {
    run env MPRESS_STATS=1 LD_PRELOAD="$LIBRARY" "$python" -c "$program
for block in blocks[:10]: libc.free(ctypes.c_void_p(block))"
    expect_status 0
    expect_err "^mpress:    class     not freed    lost  most asked    fast$"
    expect_err "^mpress:      320       6.1 MiB     6 %         300    9[0-9] %$"
}

the_proof_measures_what_was_predicted() {
    record-program
    run "$MPRESS" tune --prove --runs 1 --json t.mpt
    expect_status 0
    python3 - out >err 2>&1 <<'END' || fail "the JSON is not as expected"
import json, sys
r = json.load(open(sys.argv[1]))
assert r["schema"] == "mpress-tune/1"
exact = [e for e in r["exact"] if e["bytes"] == 304][0]
assert exact["requests"] >= 20000
assert exact["before"]["peak"] - exact["after"]["peak"] >= 20000 * 16
assert any(s["bytes"] == 300 and s["requests"] >= 20000 for s in r["sizes"])
predicted = r["before"]["peak"] - r["after"]["peak"]
without, profiled = r["measured"]["without"], r["measured"]["with"]
measured = without["internal_at_peak_bytes"]["median"] - profiled["internal_at_peak_bytes"]["median"]
assert abs(measured - predicted) < 0.05 * predicted, (measured, predicted)
END
    run "$MPRESS" tune --prove --runs 1 t.mpt
    expect_80_columns
    expect_out "^PROOF  "
    expect_out "lost to rounding at the peak .* -[0-9.]* %"
    expect_out "Rounding took "
}

a_replay_takes_a_profile_beside_the_allocators() {
    record-program
    "$MPRESS" tune -q t.mpt -o p >/dev/null || fail "no profile"
    run "$MPRESS" replay t.mpt --with mpress --profile p --runs 1 --no-latency
    expect_status 0
    expect_out "^profile  "
    expect_out "^profile: rounding up takes "
    printf 'mpress-profile 1\n' >p
    run "$MPRESS" replay t.mpt --with mpress --profile p --runs 1 --no-latency
    expect_status 1
    expect_err "did not take the profile"
    run "$MPRESS" replay t.mpt --profile nowhere
    expect_status 1
    expect_one_line
}

nothing_that_pays_is_said_and_no_profile_is_written() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" tune t.mpt
    expect_status 0
    expect_80_columns
    expect_out "no profile is written"
    [ ! -e t.profile ] || fail "there is one"
    "$MAKE_TRACE" empty t.mpt
    run "$MPRESS" tune --prove t.mpt
    expect_status 0
    "$MAKE_TRACE" hostile t.mpt
    run "$MPRESS" tune t.mpt
    expect_status 0
    expect_80_columns
}

long_names_leave_the_output_within_80_columns() {
    record-program
    name=$(printf 'x%.0s' {1..50}).mpt
    mv t.mpt "$name"
    run "$MPRESS" tune "$name"
    expect_status 0
    expect_80_columns
    expect_out "^mpress tune --prove $name$"
    run "$MPRESS" report --summary "$name"
    expect_status 0
    expect_80_columns
    expect_out "^  mpress report $name$"
}

names_that_are_no_utf_8_are_named_in_json() {
    record-program
    local name=$'p\xff'
    run "$MPRESS" tune --json -o "$name" t.mpt
    expect_status 0
    expect_out '"profile": "p?"'
    cp t.mpt "$name"
    run "$MPRESS" replay --json --runs 1 --no-latency --with glibc "$name"
    expect_status 0
    expect_out '"trace": "p?"'
}

other_peoples_files_are_left_alone() {
    record-program
    echo precious >t.profile
    run "$MPRESS" tune t.mpt
    expect_status 1
    expect_one_line
    [ "$(cat t.profile)" = precious ] || fail "it was overwritten"
    run "$MPRESS" tune t.mpt -o nowhere/p
    expect_status 1
    expect_one_line
}

wrong_command_lines_are_refused_in_one_line() {
    for words in "" "a b" "--output" "--runs 0 a" "--runs x a" "--frob a" "-x a"; do
        # shellcheck disable=SC2086
        run "$MPRESS" tune $words
        expect_status 2
        expect_one_line
    done
    run "$MPRESS" tune nowhere.mpt
    expect_status 1
    expect_one_line
    run "$MPRESS" tune --help
    expect_status 0
    expect_80_columns
}

run_tests
