#!/bin/bash
# mpress report: what it writes for other programs, read back by their own readers where these are
# installed, and against the report's own numbers in any case.
. "$(dirname "$0")/check.sh"

the_output_goes_into_a_file_and_nothing_else_is_left() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --folded t.mpt
    cp out expected
    echo old >folded.txt
    run "$MPRESS" report --folded -o folded.txt t.mpt
    expect_status 0
    [ ! -s out ] || fail "something on standard output"
    cmp -s folded.txt expected || fail "not what goes to standard output"
    [ "$(echo *)" = "err expected folded.txt out t.mpt" ] || fail "files left: $(echo *)"
}

a_trace_is_never_overwritten_by_its_report() {
    "$MAKE_TRACE" leaky t.mpt
    "$MAKE_TRACE" leaky other.mpt
    for victim in t.mpt other.mpt; do
        cp "$victim" before
        run "$MPRESS" report --json --output "$victim" t.mpt
        expect_status 1
        expect_one_line
        cmp -s "$victim" before || fail "$victim is another"
    done
}

what_cannot_be_written_is_said_and_leaves_the_old_file() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --json -o no/such/folder/x t.mpt
    expect_status 1
    expect_one_line
    echo old >kept
    run "$MPRESS" report --json -o kept none.mpt
    expect_status 1
    [ "$(cat kept)" = old ] || fail "the old file is gone"
    for form in --json --folded --flamegraph --pprof --speedscope --massif ""; do
        # shellcheck disable=SC2086
        "$MPRESS" report $form t.mpt >/dev/full 2>err
        status=$?
        expect_status 1
        expect_err "could not be written"
    done
}

# Once the file that will be FILE is open: by then the trace is being read.
an_interrupted_report_leaves_nothing_and_the_old_file() {
    "$MAKE_TRACE" long t.mpt
    echo old >kept
    python3 - "$MPRESS" >said 2>&1 <<'END' || fail "$(cat said)"
import os, signal, subprocess, sys
before = sorted(os.listdir())

def interrupt(form, number):
    """How the report ended: killed as soon as its output is a file without a name."""
    report = subprocess.Popen([sys.argv[1], "report", form, "-o", "kept", "t.mpt"])
    while report.poll() is None:
        try:
            if "(deleted)" in os.readlink(f"/proc/{report.pid}/fd/1"):
                report.send_signal(number)
                break
        except OSError:
            pass
    return report.wait()

for form in "--html", "--json", "--pprof", "--flamegraph", "--speedscope", "--massif", "--folded":
    number = signal.SIGTERM if form == "--json" else signal.SIGINT
    for _ in range(20):
        status = interrupt(form, number)
        if status == -number:
            break
        assert status == 0, (form, status)
        open("kept", "w").write("old\n")
    assert status == -number, f"{form}: never interrupted"
    assert open("kept").read() == "old\n", form
    assert sorted(os.listdir()) == before, (form, os.listdir())
END
}

a_file_system_without_nameless_files_does_too() {
    [ -n "$LIBRARY" ] || return 0 # a sanitizer wants to be the first library
    cat >refuse.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int mode = va_arg(arguments, int);
    va_end(arguments);
    if ((flags & O_TMPFILE) == O_TMPFILE)
        return errno = EOPNOTSUPP, -1;
    return ((int (*)(const char *, int, int))dlsym(RTLD_NEXT, "open"))(path, flags, mode);
}
END
    cc -shared -fPIC -o refuse.so refuse.c || fail "no compiler"
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --html t.mpt
    cp out expected
    echo old >t.html
    run env LD_PRELOAD="$PWD/refuse.so" "$MPRESS" report --html -o t.html t.mpt
    expect_status 0
    cmp -s t.html expected || fail "not what goes to standard output"
    [ ! -e t.html.new ] || fail "a file is left"
    run env LD_PRELOAD="$PWD/refuse.so" "$MPRESS" report --html -o no/such/t.html t.mpt
    expect_status 1
    expect_one_line
}

one_form_at_a_time() {
    run "$MPRESS" report --pprof --json t.mpt
    expect_status 2
    expect_one_line
    run "$MPRESS" report --flamegraph=nothing t.mpt
    expect_status 2
    expect_one_line
}

a_flame_graph_is_whole_xml_and_as_wide_as_its_bytes() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --flamegraph=peak t.mpt
    expect_status 0
    python3 - out >said 2>&1 <<'END' || fail "$(cat said)"
import sys, xml.etree.ElementTree as tree
frames = [g for g in tree.parse(sys.argv[1]).iter("{http://www.w3.org/2000/svg}g")]
width = {g.get("data-n"): float(g.get("data-w")) for g in frames}
whole = 65536 + 102400
assert width["all"] == width["trunk"] == width["branch"] == 1, width
assert abs(width["leaf"] - 102400 / whole) < 1e-6, width
assert abs(width["bud"] - 102400 / whole) < 1e-6, width
assert [g.get("data-d") for g in frames] == ["0", "1", "2", "3", "4"], width
assert frames[3].find("{http://www.w3.org/2000/svg}title").text == "leaf: 100 KiB, 61.0 %"
END
}

names_of_a_hostile_trace_are_text_in_every_form() {
    "$MAKE_TRACE" hostile t.mpt
    for form in --flamegraph --speedscope --massif; do
        run "$MPRESS" report "$form" t.mpt
        expect_status 0
        ! LC_ALL=C grep -q -e "$(printf '[\001-\010\013-\037]')" out || fail "control characters"
        case $form in
        --flamegraph) python3 -c 'import sys, xml.etree.ElementTree as t; t.parse("out")' ;;
        --speedscope) python3 -c 'import json; json.load(open("out"))' ;;
        esac 2>err || fail "cannot be read back"
    done
}

a_trace_without_allocations_is_no_error_in_any_form() {
    "$MAKE_TRACE" empty t.mpt
    for form in --flamegraph --pprof --speedscope --massif; do
        run "$MPRESS" report "$form" t.mpt
        expect_status 0
    done
}

speedscope_has_a_profile_for_each_measure() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --speedscope t.mpt
    expect_status 0
    python3 - out >said 2>&1 <<'END' || fail "$(cat said)"
import json, sys

# The file format that speedscope publishes (file-format-schema.json), as far as sampled profiles go.
FRAME = {"name": str}, {"file": str, "line": int, "col": int}
PROFILE = ({"type": str, "name": str, "unit": str, "startValue": (int, float), "endValue": (int, float),
            "samples": list, "weights": list}, {})
FILE = {"$schema": str, "shared": dict, "profiles": list}, {"name": str, "activeProfileIndex": int, "exporter": str}
UNITS = "none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"

def check_object(value, kind):
    needed, allowed = kind
    assert set(needed) <= set(value) <= set(needed) | set(allowed), sorted(value)
    for key, one in value.items():
        assert isinstance(one, {**needed, **allowed}[key]), (key, one)

def check_schema(scope):
    check_object(scope, FILE)
    assert scope["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert scope.get("activeProfileIndex", 0) < len(scope["profiles"]) and set(scope["shared"]) == {"frames"}
    for frame in scope["shared"]["frames"]:
        check_object(frame, FRAME)
    for profile in scope["profiles"]:
        check_object(profile, PROFILE)
        assert profile["type"] == "sampled" and profile["unit"] in UNITS, profile
        assert len(profile["samples"]) == len(profile["weights"])
        assert all(type(w) in (int, float) and w >= 0 for w in profile["weights"])
        assert all(type(i) is int and 0 <= i < len(scope["shared"]["frames"]) for s in profile["samples"] for i in s)
        assert profile["startValue"] <= profile["endValue"]

scope = json.load(open(sys.argv[1]))
name = [frame["name"] for frame in scope["shared"]["frames"]]
total = {p["name"]: (p["endValue"], sum(p["weights"]), len(p["samples"])) for p in scope["profiles"]}
assert total["bytes not freed"] == (7168, 7168, 1), total
assert total["bytes at the peak"] == (167936, 167936, 2), total
assert total["temporary allocations"][0] == 52, total
check_schema(scope)
stack = [name[i] for i in scope["profiles"][0]["samples"][0]]
assert stack == ["trunk", "branch", "leaf", "bud"], stack
END
}

# The folder of the npm package; empty: it is not here.
find_speedscope () { # no test: the blank keeps it out
    local root=${SPEEDSCOPE-}
    [ -n "$root" ] || ! command -v npm >/dev/null || root=$(npm root -g 2>/dev/null)/speedscope
    [ -f "$root/dist/release/index.html" ] && command -v chromium >/dev/null && echo "$root"
}

# By its own parser, which is part of its page for browsers: as its command `speedscope FILE` does.
speedscope_itself_reads_all_of_it() {
    local speedscope
    speedscope=$(find_speedscope) || {
        echo "skipped: no speedscope (npm install -g speedscope, or SPEEDSCOPE=FOLDER) or no chromium"
        return 0
    }
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --speedscope -o t.json t.mpt
    expect_status 0
    printf 'speedscope.loadFileFromBase64("t.json", "%s")' "$(base64 -w0 t.json)" >load.js
    run timeout 100 chromium --headless=new --no-sandbox --disable-gpu --disable-extensions \
        --user-data-dir="$folder/chromium" --virtual-time-budget=20000 --dump-dom \
        "file://$speedscope/dist/release/index.html#localProfilePath=$PWD/load.js&view=sandwich"
    sed -e 's/<[^>]*>/|/g' -e 's/||*/|/g' out >seen
    for words in "1|bytes not freed|7.00 KB|2|bytes at the peak|164.00 KB|3|allocations|153" \
        "4|bytes asked for in all|165.07 KB|5|temporary allocations|52" \
        "7.00 KB (100%)|7.00 KB (100%)|bud|" "7.00 KB (100%)|0 B (&lt;0.01%)|leaf|" "|branch|" "|trunk|"; do
        grep -q -F "$words" seen || fail "speedscope does not show: $words"
    done
}

# A reader of the wire format of its own, so that the writer's library does not judge itself.
pprof_holds_the_numbers_of_the_report() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --pprof -o p.pb.gz t.mpt
    expect_status 0
    python3 - p.pb.gz >said 2>&1 <<'END' || fail "$(cat said)"
import gzip, sys

def number(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at

def fields(data):
    at, found = 0, {}
    while at < len(data):
        key, at = number(data, at)
        if key & 7 == 0:
            value, at = number(data, at)
        else:
            assert key & 7 == 2
            length, at = number(data, at)
            value, at = data[at:at + length], at + length
        found.setdefault(key >> 3, []).append(value)
    return found

def numbers(values):
    flat = []
    for value in values:
        if isinstance(value, int):
            flat.append(value)
            continue
        at = 0
        while at < len(value):
            one, at = number(value, at)
            flat.append(one)
    return flat

profile = fields(gzip.open(sys.argv[1]).read())
text = [t.decode() for t in profile[6]]
types = [text[fields(t)[1][0]] for t in profile[1]]
samples = [fields(s) for s in profile[2]]
sums = dict(zip(types, map(sum, zip(*[numbers(s[2]) for s in samples]))))
assert text[0] == "" and text[profile[14][0]] == "inuse_space"
assert sums["inuse_objects"] == 7 and sums["inuse_space"] == 7168, sums
assert sums["peak_objects"] == 101 and sums["peak_space"] == 164 * 1024, sums
function = {f[1][0]: text[f[2][0]] for f in map(fields, profile[5])}
location = {}
for l in map(fields, profile[4]):
    location[l[1][0]] = [function[fields(line)[1][0]] for line in l[4]]
leak = next(s for s in samples if numbers(s[2])[types.index("inuse_space")] == 7168)
stack = [name for l in numbers(leak[1]) for name in location[l]]
assert stack == ["bud", "leaf", "branch", "trunk"], stack
END
    command -v go >/dev/null || skip "no go" || return 0
    HOME=$folder run go tool pprof -sample_index=peak_space -top p.pb.gz
    expect_status 0
    expect_out "100kB .* bud"
    expect_out "164kB .* trunk"
}

massif_tells_the_course_the_peak_and_the_end() {
    "$MAKE_TRACE" leaky t.mpt
    run "$MPRESS" report --massif t.mpt
    expect_status 0
    expect_out "^cmd: ./app --rows 3$"
    [ "$(grep -c '^snapshot=' out)" -ge 50 ] || fail "few snapshots"
    python3 - out >said 2>&1 <<'END' || fail "$(cat said)"
import re, sys
text = open(sys.argv[1]).read()
peak = text[text.index("heap_tree=peak"):].split("#-")[0].split("\n")
assert peak[1].startswith("n2: 167936 (heap allocation functions)"), peak
assert re.fullmatch(r" n1: 102400 0x[0-9A-F]+: bud \(.*\)", peak[2]), peak
assert "mem_heap_B=167936\n" in text and text.count("heap_tree=peak") == 1
assert re.search(r"mem_heap_B=7168\n.*\n.*\nheap_tree=detailed\nn1: 7168 ", text)
times = [int(t) for t in re.findall(r"^time=(\d+)", text, re.M)]
assert times == sorted(times)
END
    command -v ms_print >/dev/null || skip "no ms_print" || return 0
    cp out massif.out
    run ms_print massif.out
    expect_status 0
    expect_out "(peak)"
    expect_out "(102,400B) 0x.*: bud"
}

run_tests
