"""What `mpress-replay --scenario` tells of programs whose answer to less memory is known
(tests/scenario/cache.c), with noise: how many of so many seeds are right in all that is told."""

import json
import os
import statistics
import subprocess
from concurrent import futures
from dataclasses import dataclass

from . import heaps, measure

TOOL = os.path.join(heaps.BUILD, "tools", "mpress-replay")
CACHE = os.path.join(heaps.BUILD, "tests", "cli", "cache")
ROW = "truth-"
MIB = 1 << 20
REST_MIB = 1.5  # libc's and the program's own pages, resident
LOST_A_SECOND = 0.02  # of what it wants: the shape that leaks

SERVICE = ("--progress", "unit", "--ready", "unit", "--window", "200ms", "--duration", "8s")
UNSEARCHED = (*SERVICE, "--no-search")  # what has no breaking point is searched in two others
RUNS = ("--duration", "8s")
WORK = ["--pace", "sleep", "--holds", "allowed", "--unit-us", "4000"]


@dataclass
class Shape:
    """What is true of a program, and how far from it may be what is told."""

    factor: object  # how many times as long a unit takes, by the share that it may have
    off: float = 0.10  # of the degradation
    options: tuple = SERVICE
    noise: int = 15  # percent of a unit
    units: int = 0  # a run ends after so many; 0: never
    passes: bool = True
    lost: tuple = ()  # parts of grace that it has not
    kind: str = None  # how it breaks, below half
    recovery: tuple = (0, 1)  # seconds, from and to; None: never
    leaks: bool = False


def linear(share):
    return 1 + 4 * max(0, 1 - share)


def cliff(share):
    return 8 if share < 0.5 else 1


def step(share):
    return 1.5 if share < 0.6 else 1


def flat(_share):
    return 1


# Noise is for the number of windows: the largest of some medians is a little more than the truth.
SHAPES = {
    "linear": Shape(linear),
    "cliff": Shape(cliff, off=0.12, passes=False, lost=("without_cliff",)),
    "step": Shape(step, options=UNSEARCHED, off=0.17, noise=40),
    "dies": Shape(linear, options=RUNS, units=50, passes=False, lost=("clean",), kind="killed"),
    "hangs": Shape(linear, options=RUNS, units=50, passes=False, lost=("clean",), kind="hung"),
    "slow": Shape(linear, options=UNSEARCHED, recovery=(1.5, 2.5)),
    "never": Shape(linear, options=(*UNSEARCHED, "--recovery-time", "5s"), passes=False,
                   lost=("recovers",), recovery=None),
    "leaks": Shape(flat, options=UNSEARCHED, leaks=True),
}
SAID = {"linear": "1 to 4 times slower", "cliff": "8 times slower below half", "step": "1.5 times slower below 60 %, noise",
        "dies": "runs: slower, abort() below half", "hangs": "runs: slower, hang below half", "slow": "slow for 2 s after the release",
        "never": "stays slow", "leaks": "2 % a second are lost"}


def names():
    return {ROW + name: f"{SAID[name]}: is it told?" for name in SHAPES}


# -- what is told, beside what is true -------------------------------------------------------------

class Told:
    """One experiment: figures, and in `wrong` a text for each that is not true."""

    def __init__(self, name, seed, found):
        self.name, self.seed, self.shape, self.found = name, seed, SHAPES[name], found
        self.mib, self.wrong = size_of(name, seed), []
        self.baseline, self.result = found["baseline"], found["result"]
        self.levels = [level for level in found["levels"] if level["end"] == "held"]
        self.check_verdict()
        self.check_slowdown()
        self.check_breaking_point()
        self.check_recovery()
        self.check_stability()
        self.check_memory()

    def expect(self, holds, what):
        if not holds:
            self.wrong.append(what)

    def factor_at(self, budget):
        return self.shape.factor(budget / MIB / self.mib)

    def check_verdict(self):
        verdict, grace = "passed" if self.shape.passes else "failed", self.result["grace"]
        self.expect(self.result["verdict"] == verdict, f"verdict {self.result['verdict']}")
        self.expect(self.found["left_out"] == [], f"left out: {self.found['left_out']}")
        for part in ("clean", "monotone", "without_cliff", "recovers"):
            self.expect(grace[part] is (part not in self.shape.lost), f"{part} {grace[part]}")

    def check_slowdown(self):
        truth = max((self.factor_at(level["budget"]) for level in self.levels), default=1)
        self.degradation = self.result["criteria"]["degradation"]["value"]
        self.off = None if self.degradation is None else self.degradation / truth - 1
        self.expect(self.off is not None and abs(self.off) <= self.shape.off,
                    f"degradation {self.degradation}, not {truth:.2f}")
        for level in self.levels:
            told = statistics.median(level["service_s"]) / self.baseline["median_s"]
            true = self.factor_at(level["budget"])
            self.expect(abs(told / true - 1) <= 2 * self.shape.off,
                        f"at {level['budget'] / MIB:.1f} MiB {told:.2f}, not {true:.2f}")

    def check_breaking_point(self):
        point, truth = self.found["breaking_point"], self.mib * MIB / 2
        self.point_off = None
        if self.shape.kind is None:
            self.expect(len(self.levels) == len(self.found["levels"]), "a level broke")
            self.expect(point is None or point["kind"] is None, f"a breaking point: {point}")
            return
        if point is None or point["bytes"] is None:
            self.expect(False, "no breaking point")
            return
        self.expect(point["kind"] == self.shape.kind, f"kind {point['kind']}")
        self.point_off = point["bytes"] - truth
        low, high = point["interval"]
        self.expect(abs(self.point_off) <= 0.03 * truth, f"breaking point off by {self.point_off / MIB:.2f} MiB")
        self.expect(low <= truth <= high, f"interval {low / MIB:.2f} to {high / MIB:.2f}")
        for level in self.found["levels"]:
            self.expect((level["end"] == "held") == (level["budget"] >= truth),
                        f"at {level['budget'] / MIB:.1f} MiB {level['end']}")

    def check_recovery(self):
        row, times = self.result["criteria"]["recovery"], self.shape.recovery
        self.recovery = row["value"]
        if times is None:
            self.expect(row["known"] and row["value"] is None, f"recovery {row['value']}")
            self.expect(3 < (self.result["slowdown_after"] or 0) < 5,
                        f"{self.result['slowdown_after']} times as slow after the release")
        else:
            self.expect(row["value"] is not None and times[0] <= row["value"] <= times[1], f"recovery {row['value']}")

    def check_stability(self):
        """By its definition, of a program whose windows spread by 5 %."""
        told, alive = self.result["criteria"]["stability"]["value"], len(self.levels) / self.found["levels_planned"]
        recovered = 0 if self.shape.recovery is None else 1 - self.shape.recovery[1] / 60
        truth = alive * (0.95 + 1 + recovered) / 3
        self.expect(told is not None and abs(told - truth) <= 0.05, f"stability {told}, not {truth:.2f}")

    def check_memory(self):
        """Lost is what it wants, times this, a second of its life."""
        self.kept, truth = self.result["retention"], 0
        if self.shape.leaks and self.found["release"] is not None:
            truth = self.held_at(self.end_of_release()) / self.held_at(self.middle_of_baseline()) - 1
        self.expect(self.baseline["growing"] is self.shape.leaks, f"growing {self.baseline['growing']}")
        self.expect(self.kept is not None and abs(self.kept - truth) <= 0.02, f"retention {self.kept}, not {truth:.3f}")

    def held_at(self, second):
        return REST_MIB + self.mib * (1 + LOST_A_SECOND * second)

    def middle_of_baseline(self):
        """Windows in which it grew into its memory are left out, so it is not the middle of the lap."""
        lap = self.baseline
        kept = len(lap["service_s"]) * 0.2
        return lap["lasted_s"] - min(kept, lap["lasted_s"]) / 2

    def end_of_release(self):
        release = self.found["release"]
        return release["after_s"] + release["lasted_s"] - self.baseline["after_s"] - 0.5

    def figures(self):
        told = {"seed": self.seed, "mib": self.mib, "wrong": self.wrong, "verdict": self.result["verdict"],
                "degradation": self.degradation, "degradation_off": self.off, "point_off": self.point_off,
                "recovery_s": self.recovery, "retention": self.kept, "spread": self.baseline["spread"],
                "lasted_s": self.found["lasted_s"], "own_processor_s": self.found["own_processor_s"]}
        return {**told, "experiment": self.found} if self.wrong else told


def size_of(name, seed):
    """MiB that it wants: so that breaking points lie anywhere between the budgets that are tried. To
    touch them is to take no time beside a run's work."""
    mib = 48 + seed * 7 % 33
    return mib // 8 if SHAPES[name].units else mib


def run_once(name, seed, within):
    shape = SHAPES[name]
    command = [TOOL, "--scenario", "linear", "--pressure", "rlimit", "--levels", "10", "--json", "--quiet",
               "--within", within, *shape.options, "--", CACHE, name, *WORK, "--mib", str(size_of(name, seed)),
               "--noise", str(shape.noise), "--seed", str(seed), "--units", str(shape.units)]
    done = subprocess.run(command, env=heaps.GLIBC.environment(LC_ALL="C"), capture_output=True, text=True,
                          errors="replace", check=False)
    try:
        found = json.loads(done.stdout)["experiments"][0]
    except (ValueError, IndexError) as failure:
        raise measure.Failed(f"{name}, seed {seed}: status {done.returncode}: {done.stderr.strip()[-200:]}") from failure
    return Told(name, seed, found)


# -- all of them -----------------------------------------------------------------------------------

def say_range(values, form):
    known = sorted(value for value in values if value is not None)
    if not known:
        return "-"
    return " to ".join(dict.fromkeys(form.format(value) for value in (known[0], known[-1])))


class Truths:
    """By shape: what was told of each seed."""

    def __init__(self, beside):
        self.beside, self.told, self.loads = beside, {}, []

    def add(self, told):
        self.told.setdefault(told.name, []).append(told)
        self.loads.append(os.getloadavg()[0])
        if told.wrong:
            measure.progress()
            print(f"{told.name}, seed {told.seed}: {'; '.join(told.wrong)}", flush=True)

    def order(self):
        """Of the list, not as they ended."""
        return [name for name in SHAPES if name in self.told]

    def row(self, name):
        told = self.told[name]
        right = sum(not one.wrong for one in told)
        points = [None if one.point_off is None else one.point_off / MIB for one in told]
        return [SAID[name], f"{right} of {len(told)}", say_range([one.degradation for one in told], "{:.2f}"),
                say_range([one.off for one in told], "{:+.1%}"), say_range(points, "{:+.2f}"),
                say_range([one.recovery for one in told], "{:.1f}"), say_range([one.kept for one in told], "{:.1%}"),
                f"{max(one.found['lasted_s'] for one in told):.0f} s"]

    def print(self):
        print(f"\n### Programs whose answer is known\n\n{self.beside} experiments side by side, load "
              f"{min(self.loads):.0f} to {max(self.loads):.0f}. Right: of so many seeds, verdict and all numbers.\n"
              "From the least to the most that was told: degradation, and how far it is off; the breaking point, off by\n"
              "so many MiB; seconds until it recovers; resident memory that stays.\n")
        print("| | right | degradation | off | breaking point | recovery | stays | longest |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|")
        for name in self.order():
            print(f"| {' | '.join(self.row(name))} |")

    def result(self):
        rows = {name: [one.figures() for one in told] for name, told in self.told.items()}
        return {"title": "truth", "beside": self.beside, "load": [min(self.loads), max(self.loads)], "rows": rows}


def run_truth(rows, _compared, options):
    """Seed by seed, so that all shapes meet the same times of the machine."""
    wanted = [name for name in SHAPES if ROW + name in rows]
    truths = Truths(options.beside)
    with futures.ThreadPoolExecutor(options.beside) as pool:
        begun = [pool.submit(run_once, name, seed, options.within)
                 for seed in range(1, options.truths + 1) for name in wanted]
        for done, one in enumerate(futures.as_completed(begun)):
            measure.progress(f"  truth: {done + 1} of {len(begun)} experiments")
            try:
                truths.add(one.result())
            except measure.Failed as failure:
                measure.failures.append(f"truth: {failure}")
                print(measure.failures[-1])
    measure.progress()
    return [truths] if truths.told else []
