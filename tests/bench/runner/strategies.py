"""What each of the heap's strategies saves and costs: the same work without it, with it, without it,
under one limit, which is a little above what the work takes without the strategy and without limit:
at the peak the heap is near the limit, and acts."""

import os
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

from . import heaps, measure, programs, redis

MIB = 1 << 20
REST_S = 4
SAMPLE_S = 0.02
# name -> (its variable, off, on, the band that was claimed for it)
STRATEGIES = {
    "lazy": ("MPRESS_LAZY", "0", "1", "60-70 %"),
    "compression": ("MPRESS_COMPRESSION", "off", "always", "50-60 %"),
    "eviction": ("MPRESS_EVICTION", "0", "1", "40-50 %"),
    "pooling": ("MPRESS_POOLING", "0", "1", "15-20 %"),
}


class Watch:
    """Takes RssAnon of a process down until it is told to stop."""

    def __init__(self, pid):
        self.pid, self.samples, self.rest_from = pid, [], None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_over.wait(SAMPLE_S):
            try:
                with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
                    found = re.search(r"RssAnon:\s*(\d+)", status.read())
            except OSError:
                return
            if found:
                self.samples.append((time.monotonic(), int(found.group(1)) / 1024))

    def stop(self):
        self.is_over.set()
        self.thread.join()

    def figures(self):
        """At the end of the rest, and the most."""
        end = self.rest_from + REST_S
        rested = [value for at, value in self.samples if end - 0.7 < at < end - 0.1]
        if not rested:
            raise measure.Failed("too few samples of its memory")
        return {"rest_mib": statistics.median(rested),
                "peak_mib": max(value for _, value in self.samples)}


def python_once(env, _folder, size):
    command = [programs.PYTHON, programs.workload("documents.py"), str(int(20000 * size)), str(REST_S)]
    with subprocess.Popen(command, env={**env, **programs.ON_MALLOC}, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as program:
        watch = Watch(program.pid)
        program.stdout.readline()
        watch.rest_from = time.monotonic()
        said = program.stdout.read().split()
        watch.stop()
        error = program.stderr.read()
    if program.returncode != 0:
        raise measure.Failed(f"python3 ended with {program.returncode}: {error[-200:]}")
    return {**watch.figures(), "seconds": float(said[0]), "cpu_seconds": float(said[1])}


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask_all(link, calls, lines=1):
    start = time.monotonic()
    for _ in link.ask(calls, lines):
        pass
    return time.monotonic() - start


def redis_once(env, folder, size):
    path, keys = os.path.join(folder, "socket"), range(int(120000 * size))
    server = subprocess.Popen(redis.command(path, folder), env=env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    watch = None
    try:
        link = redis.Link(server, path, 60)
        watch = Watch(server.pid)
        seconds = ask_all(link, redis.sets(5, keys))
        seconds += ask_all(link, (redis.call(b"DEL", b"key:%d" % i) for i in keys if i % 10))
        watch.rest_from = time.monotonic()
        time.sleep(REST_S)
        seconds += ask_all(link, (redis.call(b"GET", b"key:%d" % i) for i in keys[::10]), 2)
        processor = processor_seconds(server.pid)
        watch.stop()
        return {**watch.figures(), "seconds": seconds, "cpu_seconds": processor}
    except OSError as error:
        raise measure.Failed(f"redis-server: {error}") from error
    finally:
        if watch:
            watch.stop()
        server.kill()
        server.wait()


SUBJECTS = {"python3": ("python3", python_once), "redis": ("redis-server", redis_once)}


def once(subject, size, **variables):
    with tempfile.TemporaryDirectory() as folder:
        return SUBJECTS[subject][1](heaps.preloaded(heaps.OURS, **variables), folder, size)


def percent(values):
    middle = statistics.median(values)
    around = f" ({min(values):+.0%} to {max(values):+.0%})" if len(values) > 1 else ""
    return f"{middle:+.0%}{around}"


FIGURES = {"peak_mib": "peak", "rest_mib": "after a rest", "cpu_seconds": "processor time"}


class Worth:
    """Of each strategy and program: the limit, and figures off, on, off of each round."""

    def __init__(self):
        self.level, self.taken = {}, {}

    def changes(self, pair, figure):
        return [on[figure] / ((before[figure] + after[figure]) / 2) - 1
                for before, on, after in self.taken[pair]]

    def without(self, pair, figure):
        return statistics.median(off[figure] for before, _, after in self.taken[pair]
                                 for off in (before, after))

    def cells(self, pair):
        for figure in FIGURES:
            unit = "MiB" if figure.endswith("mib") else "s"
            yield f"{self.without(pair, figure):.3g} {unit}, {percent(self.changes(pair, figure))}"

    def print(self):
        print("\n### Strategies: off, on, off\n\nWithout the strategy (median), and what it changes: median, "
              "least and most of the rounds, each to the mean of the\nruns before and after it. Memory "
              "is RssAnon.\n")
        print(f"| | of | limit | {' | '.join(FIGURES.values())} | claimed |")
        print(f"|---|---|--:|{'--:|' * len(FIGURES)}--:|")
        for (name, subject), rounds in self.taken.items():
            cells = " | ".join(self.cells((name, subject))) if rounds else "failed | |"
            print(f"| {name} | {subject} | {self.level[name, subject]} MiB | {cells} | "
                  f"-{STRATEGIES[name][3]} |")

    def result(self):
        return {"title": "strategies", "rows": {
            f"{name} {subject}": {"limit_mib": self.level[name, subject], "rounds": rounds}
            for (name, subject), rounds in self.taken.items()}}


def measure_strategy(worth, name, subject, options):
    variable, off, on, _ = STRATEGIES[name]
    size = options.size
    rounds = worth.taken[name, subject] = []
    level = int(once(subject, size, **{variable: off})["peak_mib"] * 1.03 + 1)
    worth.level[name, subject] = level
    for n in range(options.rounds):
        measure.progress(f"  {name} of {subject}: round {n + 1} of {options.rounds}")
        rounds.append([once(subject, size, **{variable: value, "MPRESS_LIMIT": f"{level}M"})
                       for value in (off, on, off)])


def run_strategies(_names, _compared, options):
    worth = Worth()
    for name in STRATEGIES:
        for subject, (need, _) in SUBJECTS.items():
            if shutil.which(need) is None:
                print(f"skipped: {need} is not installed")
                continue
            try:
                measure_strategy(worth, name, subject, options)
            except measure.Failed as failure:
                measure.failures.append(f"{name} of {subject} failed: {failure}")
                print(measure.failures[-1])
    measure.progress()
    return [worth]
