"""How long the traces of real programs are, as they are written and packed."""

import glob
import json
import os
import shutil
import statistics
import subprocess
import tempfile

from . import heaps, measure
from .programs import ON_MALLOC, PYTHON, redis_serve, workload
from .tables import Table

TOOL = os.path.join(heaps.BUILD, "tools", "mpress")
MODES = ("full", "events")


def run_command(command, stdin=os.devnull, **variables):
    def once(folder, env):
        with open(stdin) as source:
            subprocess.run(command, stdin=source, env={**env, **variables}, cwd=folder, check=True,
                           stdout=subprocess.DEVNULL)
    return once


def run_redis(folder, env):
    redis_serve(folder, env, subprocess.DEVNULL, lambda socket: None)


def programs(quick):
    """name -> (the commands it needs, how it is run: in a folder, in an environment)."""
    calls = ["100000"] if quick else []
    return {
        "python3": ([], run_command([PYTHON, workload("build_data.py")], **ON_MALLOC)),
        "sqlite3": (["sqlite3"], run_command(["sqlite3", ":memory:"], workload("rows.sql"))),
        "g++": (["g++"], run_command(["g++", "-O2", "-c", workload("headers.cpp"), "-o",
                                      os.devnull])),
        "redis": (["redis-server", "redis-benchmark", "redis-cli"], run_redis),
        "4 threads": ([], run_command([os.path.join(heaps.PROGRAMS, "bench_random_threads"),
                                       *calls])),
    }


def measure_one(run, mode):
    """events, and bytes of the program's longest trace, as it is and packed."""
    with tempfile.TemporaryDirectory() as folder:
        env = heaps.preloaded(heaps.OURS, MPRESS_TRACE=mode,
                              MPRESS_TRACE_FILE=os.path.join(folder, "t.%p.mpt"))
        run(folder, env)
        trace = max(glob.glob(os.path.join(folder, "*.mpt")), key=os.path.getsize)
        raw = os.path.getsize(trace)
        subprocess.run([TOOL, "pack", "--quiet", trace], check=True)
        said = subprocess.run([TOOL, "report", "--json", "--top", "1", trace], check=True,
                              capture_output=True)
        return json.loads(said.stdout)["events"]["events"], raw, os.path.getsize(trace)


def measure_mode(mode, options):
    table = Table(f"Length of traces, mode {mode}", "bytes an event",
                  ["events", "as written", "packed"], means=False)
    for name, (needs, run) in programs(options.quick).items():
        if any(shutil.which(command) is None for command in needs):
            print(f"skipped: {name} needs {', '.join(needs)}")
            continue
        measure.progress(f"  {name}, {mode}")
        events, raw, packed = measure_one(run, mode)
        table.add_cell(name, "events", [events])
        table.add_cell(name, "as written", [raw / events])
        table.add_cell(name, "packed", [packed / events])
    rows = list(table.rows.values())
    for column in table.names:
        table.add_cell("mean", column, [statistics.mean(row[column]["median"] for row in rows)])
    return table


def run_sizes(_names, _compared, options):
    return [measure_mode(mode, options) for mode in MODES]
