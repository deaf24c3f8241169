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

a_daemon_stands_below_who_began_it() {
    cat >daemon.py <<'END'
import ctypes, os
libc = ctypes.CDLL(None)
print("begun", flush=True)
if libc.fork() != 0:
    libc._exit(0)
libc.setsid()
if libc.fork() != 0: # who was in between allocated nothing
    libc._exit(0)
kept = [bytes(1000) for _ in range(100)]
END
    mkdir traces
    LD_PRELOAD="$LIBRARY" MPRESS_TRACE=events MPRESS_TRACE_FILE=traces/%p.mpt "$python" daemon.py >out 2>err
    for _ in {1..1200}; do
        "$MPRESS" report traces >family 2>/dev/null
        ! grep "forked" family | grep -qv "no end" || break
        sleep 0.05
    done
    cp family out
    expect_out "^FAMILY  [23] traces"
    expect_out "^  [0-9]*, no end, .*daemon.py"
    expect_out "^    forked [0-9]*, [0-9.]* ms"
}

# Half of these fork in a thread, beside another that allocates.
twenty_four_generations_have_a_trace_each() {
    "$GENERATIONS" 24 >right
    for how in "" exec; do
        rm -rf traces && mkdir traces
        run "$MPRESS" record -q -o 'traces/%p.mpt' -- "$GENERATIONS" 24 $how
        expect_status 0
        cmp -s out right || fail "its output changed"
        expect_no_err .
        run "$MPRESS" report --json -o family.json traces
        expect_status 0
        "$python" - "$MPRESS" $how 2>err <<'END' || fail "$(cat err)"
import json, subprocess, sys
traces = json.load(open("family.json"))["traces"]
how = {t["path"]: t["how"] for t in traces}
by_parent = {t["from"]: t for t in traces if t["how"] == "forked"}
lives = [t for t in traces if t["how"] == "became"] if "exec" in sys.argv else traces[1:]
assert len(lives) == 24 and len(by_parent) == 24, how
path, generation = traces[0]["path"], 0
while path is not None:
    report = json.loads(subprocess.check_output([sys.argv[1], "report", "--json", "--depth", "20", path]))
    assert report["trace"]["complete"] and report["events"]["lost_frees"] == 0, (path, report["trace"])
    stacks = report["stacks"]["not_freed"]
    kept = [s for s in stacks if s["frames"] and s["frames"][0]["function"] == "keep"] or stacks
    amounts = [(s["not_freed"]["blocks"], s["not_freed"]["bytes"]) for s in kept]
    assert (generation + 1, (generation + 1) * (1000 + generation)) in amounts, (path, generation, amounts)
    if kept != stacks:
        assert len(amounts) == 1 and kept[0]["frames"][1]["function"] == "live", kept
    if generation > 0 and "exec" not in sys.argv:
        assert report["events"]["unknown_frees"] >= generation, report["events"]
    names = sorted(t["name"] for t in report["threads"])
    if generation % 2 == 1 and generation < 24:
        assert "churn" in names, names
    child = by_parent.get(path)
    path = child and child["path"]
    if path is not None and "exec" in sys.argv:
        path = next(t["path"] for t in lives if t["from"] == path)
    generation += 1
assert generation == 25, generation
END
    done
}

whatever_a_child_that_nobody_hears_of_calls_first_it_has_a_trace() {
    local mode call
    for mode in events full; do
        for call in malloc calloc realloc free mmap; do
            rm -rf traces && mkdir traces
            run "$MPRESS" record -q --mode $mode -o 'traces/%p.mpt' -- "$UNHEARD" $call
            expect_status 0
            expect_no_err .
            [ $(ls traces | wc -l) = 2 ] || fail "$mode, $call: not two traces"
            "$MPRESS" report --json traces/*.*.mpt | grep -q '"bytes": 4321,*$' || fail "$mode, $call: its block is not there"
        done
    done
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
