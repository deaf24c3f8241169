"""How long a report of a large trace takes, beside heaptrack's of the same program."""

import glob
import json
import os
import shutil
import subprocess
import tempfile
import time

from . import heaps, measure
from .programs import ON_MALLOC, PYTHON, workload
from .tables import Table

TOOL = os.path.join(heaps.BUILD, "tools", "mpress")
ROUNDS = 10  # of the workload: 50 million events
FIGURES = {"wall": "wall time, s", "processor": "processor time, s", "peak": "peak memory, MiB"}


def run_once(command):
    """What the command takes; what it prints is thrown away."""
    start = time.perf_counter()
    child = subprocess.Popen(command, env=heaps.GLIBC.environment(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise measure.Failed(f"{command[0]} ended with {child.returncode}")
    return {"wall": time.perf_counter() - start, "processor": usage.ru_utime + usage.ru_stime,
            "peak": usage.ru_maxrss / 1024}


def record(folder, rounds):
    """The traces: ours, the same packed, heaptrack's (None: it is not installed)."""
    command = [PYTHON, workload("build_data.py"), "60000", str(rounds)]
    env = heaps.GLIBC.environment(**ON_MALLOC)
    ours, packed = os.path.join(folder, "t.mpt"), os.path.join(folder, "packed.mpt")
    measure.progress("  report: recording")
    subprocess.run([TOOL, "record", "--quiet", "--no-pack", "-o", ours, "--", *command], env=env,
                   check=True, capture_output=True)
    shutil.copyfile(ours, packed)
    subprocess.run([TOOL, "pack", "--quiet", packed], check=True)
    if not shutil.which("heaptrack_print"):
        return ours, packed, None
    measure.progress("  report: recording with heaptrack")
    subprocess.run(["heaptrack", "-o", os.path.join(folder, "heaptrack"), *command], env=env,
                   check=True, capture_output=True)
    return ours, packed, glob.glob(os.path.join(folder, "heaptrack.*"))[0]


def run_report(_names, _compared, options):
    with tempfile.TemporaryDirectory() as folder:
        ours, packed, theirs = record(folder, 1 if options.quick else ROUNDS)
        turns = {"mpress report": lambda: run_once([TOOL, "report", ours]),
                 "of the packed trace": lambda: run_once([TOOL, "report", packed]),
                 "--html": lambda: run_once([TOOL, "report", "--html", ours])}
        if theirs:
            turns["heaptrack_print"] = lambda: run_once(["heaptrack_print", theirs])
        taken = measure.take_turns("report", turns, options.rounds)
        said = subprocess.run([TOOL, "report", "--json", "--top", "1", ours], check=True,
                              capture_output=True)
        events = json.loads(said.stdout)["events"]["events"]
    table = Table(f"A report of {events / 1e6:.1f} million events", "of what the row says",
                  list(turns), means=False)
    for figure, name in FIGURES.items():
        table.add(name, taken, figure)
    return [table]
