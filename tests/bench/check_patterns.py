#!/usr/bin/env python3
"""Every micro and memory program runs at a tiny scale and says what it should; no figure is judged
but for sense.

usage: check_patterns.py FOLDER_OF_THE_PROGRAMS [LIBRARY]"""

import json
import os
import subprocess
import sys

FOLDER = sys.argv[1]
LIBRARY = sys.argv[2] if len(sys.argv) > 2 else ""
POINT = {"program", "point", "asked_mib", "rss_mib", "seconds"}
PARTS = {f"{part}_mib" for part in ("internal", "external", "cached", "dirty", "meta")}
TIME = {"pattern", "ns", "median_ns", "passes", "rss_mib", "peak_mib"}
BAD_SCALES = ("0", "-1", "x", "", "nan", "1e9")


def run(program, *arguments):
    env = {**os.environ, **({"LD_PRELOAD": LIBRARY} if LIBRARY else {})}
    return subprocess.run([os.path.join(FOLDER, program), *arguments], env=env,
                          capture_output=True, text=True, check=False)


def check(holds, what):
    if not holds:
        sys.exit(f"check_patterns: {what}")


def names(program, least):
    found = [line.split()[0] for line in run(program, "--list").stdout.splitlines()]
    check(len(found) >= least, f"{program} lists only {found}")
    check(len(set(found)) == len(found), f"{program} lists a name twice")
    return found


def lines(program, name, *arguments):
    done = run(program, *arguments, name)
    check(done.returncode == 0, f"{name} ended with {done.returncode}: {done.stderr}")
    check(done.stdout, f"{name} printed nothing")
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_point(name, point):
    fields = POINT | PARTS if LIBRARY else POINT
    check(set(point) - {"pages_mib"} == fields, f"{name}: the fields are {sorted(point)}")
    check(point["program"] == name, f"{name} calls itself {point['program']}")
    check(point["rss_mib"] > 0.1, f"{name}: nothing resident at {point['point']}")
    check(0 <= point["asked_mib"] <= point.get("pages_mib", point["rss_mib"]) <= point["rss_mib"],
          f"{name}: more asked for than resident at {point['point']}: {point}")
    check(all(point[part] > -0.1 for part in fields & PARTS),
          f"{name}: the heap holds less than was asked for: {point}")


def check_memory(name):
    points = lines("bench_memory", name, "--scale", "0.002", "--light-ms", "5")
    for point in points:
        check_point(name, point)
    check(len({point["point"] for point in points}) == len(points), f"{name}: a point comes twice")


def check_micro(name):
    found = lines("bench_micro", name, "--scale", "0.001")
    check(len(found) == 1, f"{name} printed {len(found)} lines")
    line = found[0]
    check(set(line) == TIME, f"{name}: the fields are {sorted(line)}")
    check(line["pattern"] == name, f"{name} calls itself {line['pattern']}")
    check(0 < line["ns"] <= line["median_ns"] and line["passes"] >= 3, f"{name}: {line}")
    check(line["rss_mib"] > 0.1 and line["peak_mib"] > 0.1, f"{name}: {line}")


def check_refused(program, *arguments):
    done = run(program, *arguments)
    check(done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1,
          f"{program} {arguments}: {done.returncode}, {done.stdout!r}, {done.stderr!r}")


for memory_program in names("bench_memory", 10):
    check_memory(memory_program)
for pattern in names("bench_micro", 40):
    check_micro(pattern)
for one, good in (("bench_memory", "base"), ("bench_micro", "pair-16")):
    check_refused(one)
    check_refused(one, "nosuch")
    check_refused(one, "--scale", good)
    check_refused(one, "--nosuch", "1", good)
    for scale in BAD_SCALES:
        check_refused(one, "--scale", scale, good)
check_refused("bench_memory", "--light-ms", "1.5", "base")
