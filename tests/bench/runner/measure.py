"""One measurement, and many of them in turn."""

import json
import os
import statistics
import subprocess
import sys
import tempfile

from . import heaps

LAUNCH = os.path.join(heaps.PROGRAMS, "bench_launch")
failures = []  # one line for each candidate that failed, so that the runner's status tells


class Failed(Exception):
    """A measured program failed; the message says how."""


def launch(heap, command, stdin=os.devnull, folder=None, **variables):
    """Runs the command under the heap: ({seconds, peak_mib}, what it printed)."""
    with tempfile.NamedTemporaryFile(mode="r") as report, open(stdin) as source:
        done = subprocess.run([LAUNCH, report.name, heap.library, *command], stdin=source,
                              env=heap.environment(**variables), cwd=folder, capture_output=True,
                              text=True, errors="replace", check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
            raise Failed(f"status {done.returncode}: {last}")
        return json.load(report), done.stdout


def progress(text=""):
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:100]}", end="", file=sys.stderr, flush=True)


def take_turns(label, candidates, rounds):
    """candidates: name -> function that measures once and returns figures (name -> number).
    Rounds of A B C; returns name -> list of figures. Who fails is left out from then on."""
    taken = {name: [] for name in candidates}
    for n in range(rounds):
        for name, measure in candidates.items():
            if name not in taken:
                continue
            progress(f"  {label}: round {n + 1} of {rounds}, {name}")
            try:
                taken[name].append(measure())
            except Failed as failure:
                del taken[name]
                failures.append(f"{label} under {name} failed: {failure}")
                progress()
                print(failures[-1], file=sys.stderr)
    progress()
    return taken


def summary(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}
