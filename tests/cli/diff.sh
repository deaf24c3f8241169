#!/bin/bash
# mpress diff: two traces of the same pretended program, one of which keeps more and peaks lower.
. "$(dirname "$0")/check.sh"

make_both () { # no test: the blank keeps it out
    "$MAKE_TRACE" leaky before.mpt
    "$MAKE_TRACE" later after.mpt
}

the_whole_and_the_stacks_that_changed_are_shown() {
    make_both
    run "$MPRESS" diff before.mpt after.mpt
    expect_status 0
    expect_80_columns
    expect_out "^  asked for at the peak  *164 KiB  *132 KiB  *-32.0 KiB  *-19.5 %$"
    expect_out "^  not freed  *7.00 KiB  *12.0 KiB  *+5.00 KiB  *+71.4 %$"
    expect_no_out "failed allocations"
    [ "$(grep -A3 '^ *-32.0 KiB' out | tr -s ' ')" = " -32.0 KiB 64.0 KiB -> 32.0 KiB, 1 -> 1 block
 branch
 trunk" ] || fail "not the stack of the change"
    run "$MPRESS" diff --by end before.mpt after.mpt
    expect_out "+5.00 KiB  7.00 KiB -> 12.0 KiB, 7 -> 12 blocks"
    grep -A1 "^LESS" out >/dev/null && expect_out "  None."
    run "$MPRESS" diff --by end --depth 1 before.mpt after.mpt
    expect_no_out "trunk"
}

traces_of_the_same_run_have_no_change() {
    make_both
    run "$MPRESS" diff before.mpt before.mpt
    expect_status 0
    [ "$(grep -c '  None.' out)" -eq 2 ] || fail "a change"
    for measure in peak end allocations bytes temporary; do
        run "$MPRESS" diff --by $measure --json before.mpt before.mpt
        python3 -c '
import json
d = json.load(open("out"))
assert d["stacks"]["more"] == [] and d["stacks"]["less"] == []
assert all(m["change"] in (0, None) for m in d["metrics"].values())' 2>err || fail "a change"
    done
}

json_has_the_same_numbers() {
    make_both
    run "$MPRESS" diff --json -o d.json before.mpt after.mpt
    expect_status 0
    python3 - d.json >said 2>&1 <<'END' || fail "$(cat said)"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["schema"] == "mpress-diff/1" and d["before"] == "before.mpt"
assert d["metrics"]["peak"] == {"kind": "bytes", "before": 167936, "after": 135168, "change": -32768}
less = d["stacks"]["less"]
assert len(less) == 1 and less[0]["change"] == -32768 and less[0]["certain"] is True
assert less[0]["frames"] == ["branch", "trunk"]
assert less[0]["before"] == {"value": 65536, "blocks": 1}
END
}

a_change_can_fail_a_build() {
    make_both
    run "$MPRESS" diff --fail-on 'not_freed>+5%' before.mpt after.mpt
    expect_status 3
    expect_out "^COMPARISON"
    expect_err "^mpress: failed: not_freed>+5% (not_freed is 12.0 KiB, was 7.00 KiB)$"
    run "$MPRESS" diff --fail-on 'not_freed>+5K' --fail-on 'peak>+0' --fail-on 'failed>+0%' \
        before.mpt after.mpt
    expect_status 0
    run "$MPRESS" diff --fail-on 'not_freed>=+5K' before.mpt after.mpt
    expect_status 3
    run "$MPRESS" diff --fail-on 'peak>130K' before.mpt after.mpt
    expect_status 3
    "$MAKE_TRACE" clean none.mpt
    run "$MPRESS" diff --fail-on 'temporary>+10%' none.mpt after.mpt
    expect_status 3
    run "$MPRESS" diff --fail-on 'rss>+10%' none.mpt after.mpt
    expect_status 2
    expect_err "does not tell rss"
}

what_is_no_trace_is_said_in_one_line() {
    make_both
    run "$MPRESS" diff before.mpt none.mpt
    expect_status 1
    expect_err "none.mpt"
    run "$MPRESS" diff none.mpt after.mpt
    expect_status 1
    run "$MPRESS" diff -o before.mpt before.mpt after.mpt
    expect_status 1
    expect_err "is a trace"
}

names_of_a_hostile_trace_stay_text() {
    "$MAKE_TRACE" hostile h.mpt
    "$MAKE_TRACE" leaky t.mpt
    for form in "" --json; do
        # shellcheck disable=SC2086
        run "$MPRESS" diff $form h.mpt t.mpt
        expect_status 0
        ! LC_ALL=C grep -q -e "$(printf '[\001-\010\013-\037]')" out || fail "control characters"
    done
    expect_80_columns
}

run_tests
