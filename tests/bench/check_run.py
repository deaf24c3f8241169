#!/usr/bin/env python3
"""The runner refuses what it cannot do in one line, and a quick run gives whole tables and JSON.

usage: check_run.py RUN LIBRARY"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile

RUN, LIBRARY = sys.argv[1:3]
sys.path.insert(0, os.path.dirname(RUN))
from runner import breaking, measure, targets, truth


def run(*arguments):
    return subprocess.run([RUN, *arguments], capture_output=True, text=True, check=False)


def check(holds, what):
    if not holds:
        sys.exit(f"check_run: {what}")


def check_refused(word, *arguments):
    """With a message that names the trouble, and without a traceback."""
    done = run(*arguments)
    said = done.stderr.strip().splitlines()
    check(done.returncode in (1, 2) and done.stdout == "", f"{arguments} was accepted")
    check(said and word in said[-1] and "Traceback" not in done.stderr, f"{arguments}: {said}")


def check_figures(table, heaps):
    check(set(table) == {"title", "unit", "rows"} and table["rows"], f"not a table: {table}")
    for row, figures in table["rows"].items():
        check(set(figures) == heaps, f"{row} has {sorted(figures)}")
        for figure in figures.values():
            check(0 <= figure["least"] <= figure["median"] <= figure["most"], f"{row}: {figure}")


def check_quick_run(folder):
    path = os.path.join(folder, "figures.json")
    done = run("--quick", "--only", "mpress,other", "--with", f"other={LIBRARY}", "--json", path,
               "pair-64", "base", "calloc")
    check(done.returncode == 0, f"the quick run ended with {done.returncode}: {done.stderr}")
    with open(path, encoding="utf-8") as file:
        figures = json.load(file)
    check(figures["rounds"] == 1 and set(figures["results"]) == {"micro", "memory"}, figures)
    for tables in figures["results"].values():
        for table in tables:
            check_figures(table, {"glibc", "mpress", "other"})
    micro = figures["results"]["micro"][0]["rows"]
    check({"pair-64", "calloc-16"} <= set(micro) and "pair-128" not in micro, sorted(micro))
    check("| | glibc | mpress | other | spread |" in done.stdout, done.stdout)
    check("geometric mean" in done.stdout, done.stdout)


def check_failing_program(folder):
    """A library under which programs fail must not pass, nor stop the others."""
    source, broken = os.path.join(folder, "broken.c"), os.path.join(folder, "broken.so")
    with open(source, "w", encoding="utf-8") as file:
        file.write("#include <stddef.h>\nvoid *malloc(size_t n) { (void)n; return NULL; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-fno-builtin", "-o", broken, source], check=True)
    done = run("--quick", "--only", "broken", "--with", f"broken={broken}", "pair-64", "fifo-100")
    check(done.returncode == 1, f"a failing allocator gave {done.returncode}")
    check("fifo-100 under broken failed" in done.stderr, done.stderr)
    check("| fifo-100 |" in done.stdout and "failed" in done.stdout, done.stdout)


def can_nobody_read():
    return os.geteuid() != 0 or subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "test", "-r", LIBRARY],
        capture_output=True, check=False).returncode == 0


def check_breaking(folder):
    """One experiment, as a user without rights where that one reaches this build at all."""
    path = os.path.join(folder, "breaking.json")
    done = run("--quick", "--within", "4s", "--json", path, "breaking-python3")
    check(done.returncode == 0, f"an experiment ended with {done.returncode}: {done.stderr}")
    with open(path, encoding="utf-8") as file:
        tables = json.load(file)["results"]["breaking"]
    found = tables[0]["rows"]["python3"]
    check(len(found) == 1 and found[0]["within_s"] == 4, found)
    check(found[0]["pressure"]["mechanism"] == "budget", found[0]["pressure"])
    check(found[0]["breaking_point"]["bytes"], found[0]["breaking_point"])
    check("| python3 | budget |" in done.stdout, done.stdout)


def check_truth():
    """One experiment is told with its figures, and a figure that is not true is found."""
    told = truth.run_once("dies", 1, "6s")
    table = truth.Truths(1)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        table.add(told)
        table.print()
    check("| runs: slower, abort() below half | " in said.getvalue(), said.getvalue())
    row = table.result()["rows"]["dies"][0]
    check(row["seed"] == 1 and row["mib"] == 6 and row["verdict"] == told.found["result"]["verdict"], row)
    told.found["breaking_point"] = {"kind": "hung", "bytes": 1 << 20, "interval": [1 << 20, 2 << 20]}
    wrong = truth.Told("dies", 1, told.found)
    check({"kind hung", "breaking point off by -2.00 MiB", "interval 1.00 to 2.00"} <= set(wrong.wrong), wrong.wrong)
    check(wrong.figures()["experiment"] is told.found, "what is wrong is not kept")


def fail(*_):
    raise measure.Failed("no such experiment")


def check_what_fails_later():
    """What was measured before stays; and a program that had no level below its peak is a row, too."""
    found = {"breaking_point": None, "lasted_s": 2, "pressure": {"mechanism": "budget"},
             "result": {"verdict": "passed"}, "baseline": {"spread": 0.1, "peak": 5}, "own_processor_s": 0.1,
             "levels": [{"budget": 6, "used_most": 6}]}
    breaking.measure_target = lambda points, name, _: points.add(name, found)
    breaking.run_once = fail
    targets.TARGETS, targets.GREEDY = {"one": ([], None)}, {"greedy": ([], lambda _: ["greedy"])}
    options = type("Options", (), {"within": "1s"})
    with contextlib.redirect_stdout(io.StringIO()) as said:
        points, held = breaking.run_breaking({"breaking-one", breaking.HELD}, None, options)
        held.add("high", found)
        held.print()
    check(points.result()["rows"] == {"one": [found]}, points.result())
    check(len(measure.failures) == len(breaking.MECHANISMS), measure.failures)
    check("| high | 0 | - | - | 5.00% |" in said.getvalue(), said.getvalue())


listed = run("--list")
check(listed.returncode == 0 and "  spike " in listed.stdout and "mpress" in listed.stdout,
      listed.stdout)
check("--with NAME=PATH" in run("--help").stdout, "--help does not tell")
check_refused("nosuch", "nosuch")
check_refused("nosuch", "--only", "nosuch", "pair-64")
check_refused("/no/such.so", "--with", "x=/no/such.so", "pair-64")
check_refused("NAME=PATH", "--with", "x", "pair-64")
check_refused("/bin/true", "--with", f"x={RUN}", "pair-64")
check_refused("mpress", "--with", f"mpress={LIBRARY}", "pair-64")
for size in ("0", "11", "nan", "all"):
    check_refused("size", "--size", size, "pair-64")
for rounds in ("0", "-1", "many", "1.5"):
    check_refused("rounds", "--rounds", rounds, "pair-64")
check_refused("beside", "--beside", "0", "truth")
check_refused("/no/such/folder", "--json", "/no/such/folder/x", "--quick", "pair-64")
with tempfile.TemporaryDirectory() as work:
    check_quick_run(work)
    check_failing_program(work)
    if can_nobody_read():
        check_breaking(work)
check_truth()
check_what_fails_later()
