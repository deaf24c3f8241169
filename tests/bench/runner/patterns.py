"""The rows of bench_micro and bench_memory: our own patterns of calls."""

import json
import os
import subprocess

from . import heaps, measure
from .tables import Table

MICRO = os.path.join(heaps.PROGRAMS, "bench_micro")
MEMORY = os.path.join(heaps.PROGRAMS, "bench_memory")
QUICK_SCALE = "0.05"
PARTS = ("asked", "internal", "external", "cached", "dirty", "meta")
CHURN_SCALE = 0.02  # of a billion operations; all of them with --long


def listed(program):
    """name -> what it does, of a program that knows --list."""
    out = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout
    return dict(line.split(None, 1) for line in out.splitlines())


def micro_names():
    return listed(MICRO)


def memory_names():
    return listed(MEMORY)


def run_micro(names, compared, options):
    scale = QUICK_SCALE if options.quick else "1"
    heap_names = [heap.name for heap in compared]
    time = Table("Micro programs: time", "ns an operation", heap_names)
    peak = Table("Micro programs: peak resident memory", "MiB", heap_names)

    def once(name, heap):
        _, out = measure.launch(heap, [MICRO, "--scale", scale, name])
        return json.loads(out)

    for name in names:
        turns = {heap.name: lambda heap=heap: once(name, heap) for heap in compared}
        taken = measure.take_turns(name, turns, options.rounds)
        time.add(name, taken, "ns")
        peak.add(name, taken, "peak_mib")
    return [time, peak]


def memory_scale(name, options):
    scale = float(QUICK_SCALE) if options.quick else 1.0
    return scale * CHURN_SCALE if name == "churn" and not options.long else scale


def points(out):
    """point -> its line; a line's rss over what was asked is left to the reader."""
    return {point["point"]: point for point in map(json.loads, out.splitlines())}


def run_memory(names, compared, options):
    heap_names = [heap.name for heap in compared]
    resident = Table("Memory programs: resident at the named point (asked for, MiB)", "MiB",
                     heap_names)
    seconds = Table("Memory programs: time to the end", "s", heap_names)
    parts = Table("Memory programs: what mpress keeps them for; F = 1 - asked / their sum", "MiB",
                  [*PARTS, "resident", "F %"], means=False)
    light = "50" if options.quick else "2000"

    def once(name, heap):
        scale = f"{memory_scale(name, options):g}"
        _, out = measure.launch(heap, [MEMORY, "--scale", scale, "--light-ms", light, name])
        return points(out)

    for name in names:
        turns = {heap.name: lambda heap=heap: once(name, heap) for heap in compared}
        taken = measure.take_turns(name, turns, options.rounds)
        if any(taken.values()):
            add_points(name, taken, resident, seconds)
        if taken.get(heaps.OURS.name):
            add_parts(name, taken[heaps.OURS.name], parts)
    return [resident, seconds] + ([parts] if parts.rows else [])


def parts_of(line):
    kept = {part: line[f"{part}_mib"] for part in PARTS}
    fragmentation = 1 - line["asked_mib"] / sum(kept.values())
    return {**kept, "resident": line["rss_mib"], "F %": 100 * fragmentation}


def add_parts(name, figures, parts):
    for point in figures[0]:
        if point.isdigit() or figures[0][point]["asked_mib"] == 0 or point == "peak":
            continue
        lines = [parts_of(one[point]) for one in figures]
        for column in lines[0]:
            parts.add_cell(f"{name}, {point}", column, [line[column] for line in lines])


def add_points(name, taken, resident, seconds):
    first = next(figures[0] for figures in taken.values() if figures)
    for point, line in first.items():
        if not point.isdigit():  # the phases of a long churn only matter in a single run
            at = {heap: [one[point] for one in figures] for heap, figures in taken.items()}
            resident.add(f"{name}, {point} ({line['asked_mib']:.0f})", at, "rss_mib")
    last = list(first)[-1]
    seconds.add(name, {heap: [one[last] for one in figures] for heap, figures in taken.items()},
                "seconds")
