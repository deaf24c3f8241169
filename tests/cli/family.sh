#!/usr/bin/env bash
# Who came from whom, in a folder of traces.
. "$(dirname "$0")/check.sh"
need_library

python=/usr/bin/python3
[ -x "$python" ] || { echo "skipped: no $python" && exit 77; }

a_folder_without_traces_is_refused_in_one_line() {
    mkdir empty
    run "$MPRESS" report empty
    expect_status 1
    expect_one_line
    expect_err "empty: a folder without traces"
}

a_fork_and_an_exec_are_told_apart() {
    cat >parent.py <<'END'
import os, subprocess, sys
child = os.fork()
if child == 0:
    kept = [bytes(100) for _ in range(1000)]
    os._exit(0)
os.waitpid(child, 0)
os.execv(sys.executable, [sys.executable, "-c", "import sys; kept = list(range(10))"])
END
    mkdir traces
    run "$MPRESS" record -o traces/t.mpt -- "$python" parent.py
    expect_status 0
    run "$MPRESS" report traces
    expect_status 0
    expect_80_columns
    expect_out "^FAMILY  3 traces"
    expect_out "^  [0-9]*, no end, .* in t.mpt: .*python3 parent.py"
    expect_out "^    forked [0-9]*, .* in t.[0-9]*.mpt: .*python3 parent.py"
    expect_out "^  then [0-9]*, .* in t.[0-9]*.mpt: .*python3 -c "
    first=$(grep -o '^  [0-9]*' out | tr -d ' ')
    [ "$(grep -o 'then [0-9]*' out)" = "then $first" ] || fail "exec keeps the process"
    run "$MPRESS" report --json traces/t."$first".mpt
    expect_out '"previous_trace_ns": [1-9]'
    run "$MPRESS" report --json -o family.json traces
    expect_status 0
    "$python" - <<'END' || fail "the family in JSON is not right"
import json
family = json.load(open("family.json"))
first, forked, became = family["traces"]
assert family["schema"] == "mpress-family/1"
assert [t["how"] for t in family["traces"]] == ["first", "forked", "became"], family
assert first["from"] is None and first["path"] == "traces/t.mpt", family
assert forked["from"] == became["from"] == "traces/t.mpt", family
assert became["pid"] == first["pid"] and became["duration_ns"] > 0, family
assert not any(t["runs"] for t in family["traces"][1:]), family
END
    run "$MPRESS" report --pprof traces
    expect_status 2
    expect_one_line
    expect_err "a folder has no such form"
}

a_program_that_was_started_stands_below_who_ran_it() {
    mkdir traces
    run "$MPRESS" record -o traces/t.mpt -- "$python" -c '
import subprocess
subprocess.run(["/usr/bin/env", "ls", "/"], stdout=subprocess.DEVNULL)'
    expect_status 0
    run "$MPRESS" report traces
    expect_status 0
    expect_out "^    started [0-9]*, .*ls /"
}

names_of_threads_are_those_they_have_later() {
    run "$MPRESS" record -o t.mpt -- "$python" -c '
import ctypes
kept = [bytes(100) for _ in range(3000)]
ctypes.CDLL(None).prctl(15, b"renamed", 0, 0, 0)
kept += [bytes(1000 + i) for i in range(3000)]'
    expect_status 0
    run "$MPRESS" report t.mpt
    expect_out "^ *[0-9]* renamed "
    expect_80_columns
}

run_tests
