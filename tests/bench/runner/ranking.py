"""Does a replayed trace rank allocators as the program itself does?"""

import glob
import itertools
import json
import os
import shutil
import subprocess
import tempfile

from . import heaps, measure
from .programs import PROGRAMS
from .tables import Table

TOOL = os.path.join(heaps.BUILD, "tools", "mpress")
CHOSEN = ("python3", "sqlite3", "gcc", "redis")
# What is compared: (of the program, the sum of the replay's, their unit in the program's). What the
# allocator takes to start is a part of the program's memory.
FIGURES = {"time": ("seconds", ("time_ns",), 1e-9),
           "peak memory": ("peak_mib", ("rss_before_bytes", "peak_rss_bytes"), 2**-20)}


def record(once, folder):
    """The longest trace of a run of the program."""
    once(heaps.Heap("trace", heaps.MPRESS,
                    {"MPRESS_TRACE": "events",
                     "MPRESS_TRACE_FILE": os.path.join(folder, "t.%p.mpt")}))
    return max(glob.glob(os.path.join(folder, "t.*.mpt")), key=os.path.getsize)


def spell(heap):
    """As --with of `mpress replay` takes it."""
    variables = "".join(f":{name}={value}" for name, value in heap.variables.items())
    return (heap.library or "glibc") + variables


def replay(trace, compared, rounds):
    command = [TOOL, "replay", trace, "--json", "--quiet", "--no-latency", "--runs", str(rounds)]
    for heap in compared:
        command += ["--with", spell(heap)]
    done = subprocess.run(command, env=heaps.GLIBC.environment(), capture_output=True, text=True,
                          check=False)
    if not done.stdout:
        raise measure.Failed(done.stderr.strip())
    rows = json.loads(done.stdout)
    return rows, {heap.name: row for heap, row in zip(compared, rows["allocators"])
                  if "error" not in row}


def add_up(figures, factor):
    return {key: sum(figure[key] for figure in figures) * factor
            for key in ("median", "least", "most")}


def order(left, right):
    """-1, 1; 0: their ranges meet."""
    if left["most"] < right["least"]:
        return -1
    return 1 if left["least"] > right["most"] else 0


def count_pairs(program, replayed):
    """(pairs that the program tells apart, of these the replay too, of these in the same order)"""
    orders = [(order(program[a], program[b]), order(replayed[a], replayed[b]))
              for a, b in itertools.combinations(sorted(set(program) & set(replayed)), 2)]
    both = [(a, b) for a, b in orders if a and b]
    return sum(1 for a, _ in orders if a), len(both), sum(1 for a, b in both if a == b)


def run_one(name, compared, options):
    """(what the program did under each heap, the replay's facts, what that did)"""
    with tempfile.TemporaryDirectory() as folder:
        measure.progress(f"  {name}: preparing")
        once = PROGRAMS[name][1](folder)
        turns = {heap.name: lambda heap=heap: once(heap) for heap in compared}
        taken = measure.take_turns(f"ranking {name}", turns, options.rounds)
        measure.progress(f"  ranking {name}: replaying")
        return taken, *replay(record(once, folder), compared, options.rounds)


def run_ranking(_names, compared, options):
    names = [heap.name for heap in compared]
    tables = {what: Table(f"A program and its trace replayed: {what}", unit, names, means=False)
              for what, unit in (("time", "s"), ("peak memory", "MiB"))}
    pairs = Table("Pairs of allocators ranked", "pairs",
                  ["told apart by the program", "by the replay too", "in the same order"],
                  means=False)
    peaks = Table("Peak of a trace replayed under mpress, over the recorded heap", "ratio",
                  ["replayed / recorded"], means=False)
    for name in CHOSEN:
        if any(shutil.which(command) is None for command in PROGRAMS[name][0]):
            print(f"skipped: {name} needs {', '.join(PROGRAMS[name][0])}")
            continue
        taken, facts, rows = run_one(name, compared, options)
        for what, (mine, its, factor) in FIGURES.items():
            replayed = {heap: add_up([row[one] for one in its], factor)
                        for heap, row in rows.items()}
            tables[what].add(f"{name}, program", taken, mine)
            tables[what].rows[f"{name}, replayed"] = replayed
            counted = count_pairs(tables[what].rows[f"{name}, program"], replayed)
            for column, number in zip(pairs.names, counted):
                pairs.add_cell(f"{name}, {what}", column, [number])
        if "mpress" in rows and facts.get("recorded_resident_heap_bytes"):
            peaks.rows[name] = {peaks.names[0]: add_up([rows["mpress"]["peak_rss_bytes"]],
                                                       1 / facts["recorded_resident_heap_bytes"])}
    return [*tables.values(), pairs, peaks]
