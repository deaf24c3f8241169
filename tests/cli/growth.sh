#!/usr/bin/env bash
# What grows from round to round is found and named; what does not is not. With RUNS: so many seeds.
. "$(dirname "$0")/check.sh"
need_library
runs=${RUNS-8}

# record SEED ROUNDS LEAK: its trace is T.mpt.
record () { # no test: the blank keeps it out
    "$MPRESS" record -q --force --no-pack -o T.mpt -- "$CYCLES" "$@" || fail "recording failed"
}

# (54 bytes in each of 50 rounds are 2.7 KB.)
a_leak_of_a_few_bytes_a_round_is_found_and_named() {
    for ((seed = 1; seed <= (runs + 3) / 4; seed++)); do
        record $seed 50 54
        run "$MPRESS" report --summary T.mpt
        expect_80_columns
        expect_out 'GROWTH LEAK: 54 B a cycle over 50 cycles (mark "round #",'
        grep -A 2 'GROWTH LEAK' out | grep -q 'by forget, called by main' || fail "seed $seed: not named"
    done
    run "$MPRESS" report --json T.mpt
    python3 -c '
import json
growth = json.load(open("out"))["growth"]
assert growth["basis"] == "marks" and growth["cycles"] == 50 and growth["found"] == 1, growth
assert growth["stacks"][0]["frames"][0]["function"] == "forget", growth
assert growth["stacks"][0]["bytes_a_cycle"] == 54.0 and growth["confidence"] > 0.99, growth' 2>err || fail "$(cat err)"
}

the_same_program_without_it_gives_no_alarm() {
    alarms=0
    for ((seed = 1; seed <= runs; seed++)); do
        record $seed 50 0
        run "$MPRESS" report --summary T.mpt
        grep -q "No call stack grows over 50 cycles" out || ((alarms++))
    done
    echo "false alarms: $alarms of $runs"
    [ $((alarms * 20)) -le "$runs" ] || fail "$alarms false alarms in $runs runs"
}

stages_say_what_was_held_and_lost() {
    record 5 4 1000
    run "$MPRESS" report T.mpt
    expect_80_columns
    expect_out "^STAGES"
    expect_out "^  round 0 .*KiB .*KiB .*MiB"
    expect_out "^  (end) "
    run "$MPRESS" report --json T.mpt
    python3 -c '
import json
report = json.load(open("out"))
stages = report["stages"]
assert [stage["up_to"] for stage in stages] == ["round 0", "round 1", "round 2", "round 3", "(end)"], stages
assert sum(stage["kept"] for stage in stages) == report["not_freed"]["bytes"]
assert stages[-1]["live"] == report["not_freed"]["bytes"] and stages[-1]["change"] == 0
assert 4000 <= stages[-1]["lost"] < 4500 and all("lost" not in stage for stage in stages[:-1]), stages
assert all(stage.get("rss", 2000000) > 1000000 for stage in stages), stages' 2>err || fail "$(cat err)"
}

run_tests
