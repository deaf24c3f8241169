#!/usr/bin/env bash
# Where transactions would pay is found where it is planted, and nowhere else.
. "$(dirname "$0")/check.sh"
need_library

# propose KIND [OPTION...]: what is proposed for a program of that kind.
propose () { # no test: the blank keeps it out
    "$MPRESS" record -q --force --no-pack -o T.mpt -- "$BURSTS" "$1" || fail "recording failed"
    run "$MPRESS" propose -q "${@:2}" T.mpt
    expect_status 0
}

requests_are_found_and_nothing_else() {
    propose requests --no-replay
    expect_80_columns
    expect_out '^TRANSACTIONS THAT WOULD PAY  1$'
    expect_out '^  1. 600 bursts of 43 blocks, .*, in 1 thread$'
    grep -A 3 '  1. 600' out | grep -q ' 0.0 % escape;' || fail "something escapes"
    grep -m 1 '^        ' out | grep -q '^        handle .* bursts.c:' || fail "not named"
    expect_no_out 'remember'
}

what_they_would_gain_is_replayed() {
    propose requests --json -n 1
    python3 -c '
import json
found = json.load(open("out"))
assert found["schema"] == "mpress-propose/1", found
(one,) = found["proposals"]
gain = one["gain"]
assert "error" not in gain and gain["before_ns"] > 0 and gain["runs"] == 1, gain
assert gain["with_peak_bytes"] > 0 and gain["before_peak_bytes"] > 0, gain
assert gain["percent_low"] == gain["percent"] == gain["percent_high"], gain
assert one["pays"] == (gain["percent"] >= 3) and not one["one_call"], one
assert one["bursts"] == 600 and one["escaped"] == 0 and one["blocks"] == one["allocations"], one
assert one["together"] >= one["blocks"] * 0.9, one
assert one["frames"][0]["function"] == "handle", one["frames"]' 2>err || fail "$(cat err)"
}

# How much and how surely depends on the machine: a fraction is gained at the trees, whose sign others on
# it may turn; the texts take many times as much.
what_pays_is_told_from_what_costs() {
    passes=$BUILD/tests/users/passes
    for work in trees texts; do
        "$MPRESS" record -q --force --no-pack -o P.mpt -- "$passes" --work $work --rounds 500 >digest 2>err ||
            fail "recording failed"
        run "$MPRESS" propose -q -n 5 --json P.mpt
        expect_status 0
        python3 -c '
import json, sys
(one,) = json.load(open("out"))["proposals"]
gain = one["gain"]
assert gain["percent_low"] <= gain["percent"] <= gain["percent_high"], gain
assert one["pays"] == (gain["percent"] >= 3 and gain["percent_low"] > 0), one
assert gain["percent"] < 0 or sys.argv[1] == "trees", gain' $work 2>err || fail "$work: $(cat err)"
    done
    run "$MPRESS" propose -q -n 1 P.mpt
    expect_80_columns
    expect_out 'allocation takes .* of processor$'
    expect_out 'so it is not proposed\.$'
}

one_call_alone_is_found_and_said_so() {
    propose single --no-replay
    expect_80_columns
    expect_out '^TRANSACTIONS THAT WOULD PAY  1$'
    expect_out '^  1. 600 bursts of 2[34] blocks, '
    expect_out 'All come through one call'
    grep -m 1 '^        ' out | grep -q '^        make_list .* bursts.c:' || fail "not named"
}

report_proposes_too() {
    propose single --no-replay
    mv out proposed
    run "$MPRESS" report --propose --no-replay T.mpt
    expect_status 0
    cmp -s out proposed || fail "something else"
}

random_lifetimes_and_temporary_blocks_and_what_escapes_are_not_proposed() {
    for kind in random pairs escaping; do
        propose $kind --json
        python3 -c '
import json
found = json.load(open("out"))
assert found["allocations"] > 1000 and found["proposals"] == [], found' 2>err || fail "$kind: $(cat err)"
    done
    propose random
    expect_out '^TRANSACTIONS THAT WOULD PAY  0$'
    expect_out 'No function was found'
}

without_call_stacks_it_is_refused_in_a_line() {
    "$MPRESS" record -q --force --mode events -o E.mpt -- "$BURSTS" requests || fail "recording failed"
    run "$MPRESS" propose E.mpt
    expect_status 1
    expect_one_line
    expect_err 'without call stacks'
}

run_tests
