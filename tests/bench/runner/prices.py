"""What preloading and tracing cost, and how fast a trace is replayed."""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

from . import heaps, measure
from .programs import WORKLOADS, PYTHON
from .tables import Table

TOOL = os.path.join(heaps.BUILD, "tools", "mpress")


def seconds(command, env, stdin=os.devnull, folder=None):
    with open(stdin) as source:
        start = time.perf_counter()
        done = subprocess.run(command, env=env, stdin=source, capture_output=True, cwd=folder,
                              check=False)
        taken = time.perf_counter() - start
    if done.returncode != 0:
        raise measure.Failed(f"{command[0]} ended with {done.returncode}")
    return {"seconds": taken}


def run_startup(_names, compared, options):
    """A program that does nothing, one run of each in turn, many times over."""
    table = Table("Start-up of /bin/true", "us", [heap.name for heap in compared], means=False)
    turns = {heap.name: lambda heap=heap: measure.launch(heap, ["/bin/true"])[0]
             for heap in compared}
    taken = measure.take_turns("startup", turns, 5 if options.quick else 50 * options.rounds)
    times = {name: [1e6 * one["seconds"] for one in figures] for name, figures in taken.items()}
    for row, figure in (("least", min), ("median", statistics.median)):
        table.add(f"/bin/true, {row} of {len(times['glibc'])}",
                  {name: [{"us": figure(own)}] for name, own in times.items() if own}, "us")
    return [table]


def traced_programs():
    programs = {"python3": ([PYTHON, os.path.join(WORKLOADS, "build_data.py")],
                            {"PYTHONMALLOC": "malloc"}, os.devnull)}
    if shutil.which("sqlite3"):
        programs["sqlite3"] = (["sqlite3", ":memory:"], {}, os.path.join(WORKLOADS, "rows.sql"))
    return programs


def trace_turns(command, variables, stdin, trace):
    """The price of a trace: ours in two modes and heaptrack's, beside the untraced program."""
    plain = heaps.GLIBC.environment(**variables)

    def record(mode):
        return seconds([TOOL, "record", "--quiet", "--force", "--mode", mode, "-o", trace, "--",
                        *command], plain, stdin)

    turns = {"glibc": lambda: seconds(command, plain, stdin),
             "mpress": lambda: seconds(command, heaps.preloaded(heaps.OURS, **variables), stdin),
             "mpress, events": lambda: record("events"),
             "mpress, full": lambda: record("full")}
    if shutil.which("heaptrack"):
        turns["heaptrack"] = lambda: seconds(["heaptrack", *command], plain, stdin,
                                             os.path.dirname(trace))
    return turns


def run_trace(_names, _compared, options):
    table = None
    with tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, "t.mpt")
        for name, (command, variables, stdin) in traced_programs().items():
            turns = trace_turns(command, variables, stdin, trace)
            table = table or Table("Wall time with a trace", "s", list(turns), means=False)
            taken = measure.take_turns(f"trace {name}", turns, options.rounds)
            table.add(name, taken, "seconds")
    return [table]


def run_replay(_names, _compared, options):
    command, variables, _ = traced_programs()["python3"]
    with tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, "t.mpt")
        seconds([TOOL, "record", "--quiet", "--mode", "events", "-o", trace, "--", *command],
                heaps.GLIBC.environment(**variables))
        out = subprocess.run([TOOL, "replay", trace, "--runs", str(options.rounds), "--json"],
                             env=heaps.GLIBC.environment(), check=True, capture_output=True)
    result = json.loads(out.stdout)
    engine = Table("The replay engine's own time", "ns an operation", ["engine"])
    engine.add("python3", {"engine": [{"ns": result["replay_overhead_ns"] / result["operations"]}]},
               "ns")
    replayed = {one["allocator"]: [{"ms": one["time_ns"][key] / 1e6}
                                   for key in ("least", "median", "most")]
                for one in result["allocators"]}
    table = Table("A trace of python3 replayed", "ms", list(replayed))
    table.add("python3", replayed, "ms")
    return [engine, table]
