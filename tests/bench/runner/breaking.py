"""With how little memory seven programs break: the whole experiment of `mpress-replay --scenario
linear`, several times each, by a user without rights."""

import json
import os
import statistics
import subprocess
import tempfile

from . import heaps, measure, targets

TOOL = os.path.join(heaps.BUILD, "tools", "mpress-replay")
ROW = "breaking-"
MIB = 1 << 20
HELD = ROW + "held"
MECHANISMS = ("budget", "rlimit", "throttle")
CALM = 0.20  # a baseline that spreads more allows no verdict (tools/scenario/analysis/curve.h)


def names():
    rows = {ROW + name: f"needs {', '.join(map(os.path.basename, need))}"
            for name, (need, _) in targets.TARGETS.items()}
    return {**rows, HELD: "how exactly levels are held"}


class Point:
    """What one experiment told."""

    def __init__(self, found):
        point = found["breaking_point"] or {}
        self.seconds, self.by = found["lasted_s"], found["pressure"]["mechanism"]
        self.verdict = found["result"]["verdict"]
        self.spread, self.own = found["baseline"]["spread"], found["own_processor_s"] / found["lasted_s"]
        self.bytes, self.kind = point.get("bytes"), point.get("kind")
        self.interval = point.get("interval")

    def say(self):
        if self.bytes is None:
            return "none"
        low, high = self.interval or (self.bytes, self.bytes)
        return f"{self.bytes / MIB:.2f} ({low / MIB:.2f} to {high / MIB:.2f})"


def run_once(name, folder, arguments, within):
    """One experiment, as --json tells it."""
    command = [TOOL, "--scenario", "linear", "--json", "--quiet", "--within", within, *arguments]
    done = subprocess.run(targets.as_user(command), cwd=folder, env=targets.environment(folder),
                          capture_output=True, text=True, errors="replace", check=False)
    try:
        return json.loads(done.stdout)["experiments"][0]
    except (ValueError, IndexError) as failure:
        raise measure.Failed(f"{name}: status {done.returncode}: {done.stderr.strip()[-200:]}") from failure


class Points:
    """Of each program: one experiment after the other."""

    def __init__(self, within):
        self.within, self.points, self.found = within, {}, {}
        self.loads = [os.getloadavg()[0]]

    def add(self, name, found):
        self.found.setdefault(name, []).append(found)
        self.points.setdefault(name, []).append(Point(found))
        self.loads.append(os.getloadavg()[0])

    def agreement(self, name):
        """(the mean, the largest deviation from it); None: one of them found no point"""
        found = [point.bytes for point in self.points[name]]
        if None in found:
            return None
        mean = statistics.mean(found)
        return mean, max(abs(one / mean - 1) for one in found)

    def row(self, name):
        points = self.points[name]
        agreement = self.agreement(name)
        mean, off = ("-", "-") if agreement is None else (f"{agreement[0] / MIB:.2f}", f"{agreement[1]:.1%}")
        spreads = [point.spread for point in points]
        calm = sum(spread <= CALM for spread in spreads)
        verdicts = dict.fromkeys(f"{point.verdict}, {point.kind or 'unbroken'}" for point in points)
        return [name, points[0].by, f"{max(point.seconds for point in points):.0f} s", "; ".join(verdicts),
                ", ".join(point.say() for point in points), mean, off,
                f"{statistics.median(spreads):.0%}, {max(spreads):.0%}", f"{calm} of {len(points)}",
                f"{max(point.own for point in points):.2%}"]

    def print(self):
        print(f"\n### Breaking points, each experiment within {self.within}, as a user without rights\n\n"
              "MiB, with 95 % intervals; off: the largest deviation from the mean; spread: of the baseline,\n"
              "median and most; calm: experiments whose baseline allows a verdict; own: processor time of the tool\n"
              "itself, of one core, at most. "
              f"Load {min(self.loads):.0f} to {max(self.loads):.0f}.\n")
        print("| | by | longest | verdict | breaking points | mean | off | spread | calm | own |")
        print("|---|---|--:|---|---|--:|--:|--:|--:|--:|")
        for name in self.points:
            print(f"| {' | '.join(self.row(name))} |")

    def result(self):
        return {"title": "breaking", "within": self.within, "rows": self.found}


def measure_target(points, name, options):
    with tempfile.TemporaryDirectory() as folder:
        targets.own(folder)
        arguments = targets.TARGETS[name][1](folder, options.size)
        for number in range(options.experiments):
            measure.progress(f"  {name}: experiment {number + 1} of {options.experiments}")
            points.add(name, run_once(name, folder, arguments, options.within))


# -- what is held ------------------------------------------------------------------------------------

class Held:
    """Of each program and mechanism: what one that takes all it can get had at each level."""

    def __init__(self):
        self.levels, self.own = {}, {}

    def add(self, name, found):
        self.levels[name] = [(level["budget"], level["used_most"]) for level in found["levels"]
                             if level["budget"] < found["baseline"]["peak"]]
        self.own[name] = found["own_processor_s"] / found["lasted_s"]

    def print(self):
        print("\n### Levels held\n\nPrograms that take all they can get, a MiB at a time, up to "
              f"{targets.WANTED_MIB} MiB: the most that they had\nat each level, to what the level is.\n")
        print("| | levels | least | most | own processor time |")
        print("|---|--:|--:|--:|--:|")
        for name, levels in self.levels.items():
            off = [used / budget - 1 for budget, used in levels]
            least, most = (f"{min(off):+.2%}", f"{max(off):+.2%}") if off else ("-", "-")
            print(f"| {name} | {len(levels)} | {least} | {most} | {self.own[name]:.2%} |")

    def result(self):
        return {"title": "held", "rows": self.levels, "own": self.own}


def attempt(work, *arguments):
    """What cannot be measured takes nothing of the rest away."""
    try:
        work(*arguments)
    except measure.Failed as failure:
        measure.failures.append(f"breaking: {failure}")
        print(measure.failures[-1])


def measure_levels(held, name, mechanism, folder, command, options):
    arguments = ["--pressure", mechanism, "--limit", f"{targets.WANTED_MIB * 2 // 5}M",
                 "--levels", "8", "--no-search", "--strategy", "none", "--", *command]
    held.add(f"{name}, {mechanism}", run_once("held", folder, arguments, options.within))


def measure_held(options):
    held = Held()
    for name, (need, prepare) in targets.GREEDY.items():
        if any(targets.find(command, "/") is None for command in need):
            continue
        with tempfile.TemporaryDirectory() as folder:
            targets.own(folder)
            command = prepare(folder)
            for mechanism in MECHANISMS:
                measure.progress(f"  held: {name}, {mechanism}")
                attempt(measure_levels, held, name, mechanism, folder, command, options)
    return held


def run_breaking(rows, _compared, options):
    points = Points(options.within)
    for name, (need, _) in targets.TARGETS.items():
        missing = [command for command in need if targets.find(command, "/") is None]
        if ROW + name not in rows:
            continue
        if missing:
            print(f"skipped: {name} needs {', '.join(missing)}")
            continue
        attempt(measure_target, points, name, options)
    measure.progress()
    return ([points] if points.points else []) + ([measure_held(options)] if HELD in rows else [])
