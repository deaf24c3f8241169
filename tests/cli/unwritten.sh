#!/usr/bin/env bash
# What calloc hands out and nobody writes, from the program to the report.
. "$(dirname "$0")/check.sh"
need_library

record-callocs() {
    run "$MPRESS" record -q --no-pack -o t.mpt "$@" -- "$UNWRITTEN"
    expect_status 0
}

what_nobody_writes_is_told_by_stack() {
    record-callocs
    run "$MPRESS" report t.mpt
    expect_80_columns
    expect_out "^CALLOC  43.0 MiB never touched, 2.61 MiB more zeros, of 47.6 MiB"
    expect_out "^  1. 40.0 MiB never touched, 0 B zeros, of 40.0 MiB in 1 block$"
    expect_out "^        table "
    run "$MPRESS" report --json t.mpt
    python3 - out >err 2>&1 <<'END' || fail "the JSON is not as expected"
import json, sys
r = json.load(open(sys.argv[1]))["callocs"]
K, M, page = 1024, 1024 * 1024, 4096
assert r["above"] == 256 * K
by = {s["frames"][0]["function"]: s for s in r["stacks"]}
order = [(s["untouched_bytes"], s["zero_bytes"]) for s in r["stacks"]]
assert order == sorted(order, reverse=True), order
def is_as(name, blocks, size, written):
    s = by[name]
    assert s["looked_at"] == blocks and s["looked_at_bytes"] == blocks * size, s
    assert s["untouched_bytes"] + s["zero_bytes"] == blocks * (size - written), s
    return s
is_as("table", 1, 40 * M, 0)                   # a mapping of its own
is_as("half", 4, 1 * M, 256 * K)               # in the reservation
again = is_as("again", 3, 900 * K, 2 * page)   # in memory that calloc has to clear
assert again["zero_bytes"] > 0, again
assert "resized" not in by and "full" not in by and "small" not in by, by.keys()
assert r["alive"] == 1 and r["looked_at"] == 9 and r["blocks"] == 10, r
END
}

all_modes_look() {
    for mode in events sample flight; do
        record-callocs --mode $mode
        run "$MPRESS" report --json t.mpt
        python3 - out $mode >err 2>&1 <<'END' || fail "the JSON is not as expected"
import json, sys
r = json.load(open(sys.argv[1]))["callocs"]
M = 1024 * 1024
assert r["above"] == (0 if sys.argv[2] == "sample" else 256 * 1024)
assert r["untouched_bytes"] >= 40 * M, r # of samples only the largest is there for certain
if sys.argv[2] != "sample":
    assert r["untouched_bytes"] + r["zero_bytes"] > 45 * M and r["looked_at"] == 9, r
END
        rm t.mpt
    done
}

no_block_is_looked_at_where_memory_is_packed() {
    MPRESS_COMPRESSION=own record-callocs
    run "$MPRESS" report --json t.mpt
    python3 - out >err 2>&1 <<'END' || fail "the JSON is not as expected"
import json, sys
r = json.load(open(sys.argv[1]))["callocs"]
assert r["looked_at"] == 0 and r["blocks"] == 10, r
END
}

run_tests
