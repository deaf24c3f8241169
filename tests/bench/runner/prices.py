"""What preloading costs, and how fast a trace is replayed."""

import json
import os
import statistics
import subprocess
import tempfile

from . import heaps, measure, traces
from .tables import Table


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


def run_replay(_names, _compared, options):
    with tempfile.TemporaryDirectory() as folder:
        traces.record(traces.make_python(folder, options.size), "events", folder)
        trace = traces.longest_trace("events", folder)
        out = subprocess.run([traces.TOOL, "replay", trace, "--runs", str(options.rounds), "--json"],
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
