#!/usr/bin/env python3
"""Every memory program runs at a tiny scale and says what it should; no figure is judged but for
sense.

usage: check_memory.py BENCH_MEMORY [LIBRARY]"""

import json
import os
import subprocess
import sys

BENCH = sys.argv[1]
LIBRARY = sys.argv[2] if len(sys.argv) > 2 else ""
KEYS = {"program", "point", "asked_mib", "rss_mib", "seconds"}


def run(*arguments):
    env = {**os.environ, **({"LD_PRELOAD": LIBRARY} if LIBRARY else {})}
    return subprocess.run([BENCH, *arguments], env=env, capture_output=True, text=True)


def check(holds, what):
    if not holds:
        sys.exit(f"check_memory: {what}")


def check_point(name, point):
    check(set(point) - {"pages_mib"} == KEYS, f"{name}: the fields are {sorted(point)}")
    check(point["program"] == name, f"{name} calls itself {point['program']}")
    check(point["rss_mib"] > 0.1, f"{name}: nothing resident at {point['point']}")
    check(0 <= point["asked_mib"] <= point.get("pages_mib", point["rss_mib"]) <= point["rss_mib"],
          f"{name}: more asked for than resident at {point['point']}: {point}")


def check_program(name):
    done = run("--scale", "0.002", "--light-ms", "5", name)
    check(done.returncode == 0, f"{name} ended with {done.returncode}: {done.stderr}")
    points = [json.loads(line) for line in done.stdout.splitlines()]
    check(points, f"{name} printed nothing")
    for point in points:
        check_point(name, point)
    check(len({point["point"] for point in points}) == len(points), f"{name}: a point comes twice")


def check_refused(*arguments):
    done = run(*arguments)
    check(done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1,
          f"{arguments} gave {done.returncode}, {done.stdout!r}, {done.stderr!r}")


programs = [line.split()[0] for line in run("--list").stdout.splitlines()]
check(len(programs) >= 9, f"only {programs} in the list")
for program in programs:
    check_program(program)
check_refused()
check_refused("nosuch")
check_refused("--scale", "base")
for scale in ("0", "-1", "x", "", "nan", "1e9"):
    check_refused("--scale", scale, "base")
check_refused("--light-ms", "1.5", "base")
check_refused("--nosuch", "1", "base")
