"""Programs that want more memory than their control group has, without the response, with it as it
is by default, and with it packing cold memory (which takes a right).

Each has work for which it would need more than twice the limit. A run ends by the kernel (killed),
by the program (gave up), with the work (finished: what found no memory was answered by an error),
or is still at work after LONGEST_S (alive), or without progress (hung). It outlives the run without
the response when it finishes, or goes through twice the work: times tell nothing on a busy machine."""

import os
import pty
import random
import re
import select
import shutil
import statistics
import subprocess
import tempfile
import time

from . import groups, heaps, measure, programs, redis

MIB = 1 << 20
LONGEST_S, QUICK_S, STILL_S = 150, 20, 30
SIDES = {"off": {}, "on": {"MPRESS_PRESSURE": "on"}, "packing": {"MPRESS_COMPRESSION": "on"}}
RESPONSES = ("on", "packing")
PROGRESS = re.compile(rb"^(\d+) (\d+)\r?$", re.MULTILINE)


class Run:
    """What came of one run."""

    def __init__(self, longest_s):
        self.start = self.moved = time.monotonic()
        self.longest_s, self.seconds = longest_s, 0
        self.passed = self.answered = 0  # units of work that it went through; with success
        self.stood = 0                   # longest without progress, s
        self.has_ended, self.end = False, "hung"

    def note(self, passed, answered):
        if passed != self.passed:
            now = time.monotonic()
            self.stood, self.moved = max(self.stood, now - self.moved), now
        self.passed, self.answered = passed, answered

    def is_over(self):
        now = time.monotonic()
        return now > self.start + self.longest_s or now > self.moved + STILL_S

    def finish(self, units, kills):
        self.seconds = time.monotonic() - self.start
        if kills > 0:
            self.end = "killed"
        elif self.passed >= units:
            self.end = "finished"
        elif self.has_ended:
            self.end = "gave up"
        elif time.monotonic() < self.moved + STILL_S:
            self.end = "alive"

    def outlives(self, other):
        return other.end == "killed" and (self.end == "finished" or self.passed >= 2 * other.passed)


# -- programs that say on their terminal how far they are -------------------------------------------

def watch(run, group, command, env, folder, stdin=None):
    """Runs the command in the group on a terminal, so that each line is seen as it is written."""
    ours, its = pty.openpty()
    said = b""
    with open(stdin or os.devnull, "rb") as source:
        program = subprocess.Popen(group.command(command), stdin=source, stdout=its, stderr=its,
                                   env=env, cwd=folder, start_new_session=True)
    os.close(its)
    try:
        while not run.is_over():
            if not select.select([ours], [], [], 0.5)[0]:
                continue
            try:
                said += os.read(ours, 65536)
            except OSError:  # all have closed it
                run.has_ended = True
                break
            lines, said = said[:said.rfind(b"\n") + 1], said[said.rfind(b"\n") + 1:]
            for passed, answered in PROGRESS.findall(lines):
                run.note(int(passed), int(answered))
    finally:
        program.kill()
        program.wait()
        os.close(ours)


def plain(command_of):
    """command_of(seed, units of work) -> command"""
    def once(run, group, env, folder, seed, units):
        watch(run, group, command_of(str(seed), str(units)), env, folder)
    return once


# Records like those of redis, made by SQLite itself out of random numbers.
WORD = ", rtrim(substr('alpha beta  gamma delta orangevioletnorth south ', 1 + 6 * (r >> %d & 7), 6))"
SQLITE_UNIT = """with recursive c(x, r) as (select 1, %d union all
  select x + 1, (r * 1103515245 + 12345) %% 2147483648 from c where x < 400)
insert into t(b) select printf('{"id": %%d, "name": "user %%d", "score": %%d, "tags": [' ||
  '"%%s", "%%s", "%%s"]}', x, r %% 1000000, r""" + "".join(WORD % bit for bit in (8, 16, 24)) + """)
  from c;
select %d, max(a) / 400 from t;
"""


def sqlite_once(run, group, env, folder, seed, units):
    script = os.path.join(folder, "rows.sql")
    with open(script, "w", encoding="ascii") as file:
        file.write("create table t(a integer primary key, b text);\n")
        file.writelines(SQLITE_UNIT % (seed * 7919 + number, number) for number in range(1, units + 1))
    watch(run, group, ["sqlite3", "-separator", " ", ":memory:"], env, folder, script)


# -- redis, whose client, outside the group, counts ----------------------------------------------

def redis_once(run, group, env, folder, seed, units):
    path = os.path.join(folder, "socket")
    server = subprocess.Popen(group.command(redis.command(path, folder)), env=env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        link = redis.Link(server, path, STILL_S)
        for asked, answers in link.ask(redis.sets(seed, range(units))):
            run.note(run.passed + asked, run.answered + answers.count(b"+OK"))
            if run.is_over():
                break
    except ConnectionError:
        run.has_ended = True
    except OSError:  # it answers no more
        pass
    finally:
        server.kill()
        server.wait()


# name -> (what it needs, MiB of its group, units of work, how it is run once, variables that let
# packing get at its memory: python3 maps its objects itself, else)
PROGRAMS = {
    "python3": ("python3", 40, 11000, plain(lambda seed, units: [
        programs.PYTHON, programs.workload("leaking_service.py"), seed, units]),
        {"PYTHONMALLOC": "malloc"}),
    "redis": ("redis-server", 40, 240000, redis_once, {}),
    "sqlite3": ("sqlite3", 24, 1500, sqlite_once, {}),
    "C": ("sh", 40, 12000, plain(lambda seed, units: [
        os.path.join(heaps.PROGRAMS, "bench_leaker"), seed, units]), {}),
    "node": ("node", 80, 6000, plain(lambda seed, units: [
        "node", programs.workload("leaking_service.js"), seed, units]), {}),
}
ROW = "survival-"


def names():
    return {ROW + name: f"{mib} MiB, +-20 %" for name, (_, mib, *_) in PROGRAMS.items()}


def run_once(name, side, seed, size, longest_s):
    _, mib, units, once, for_packing = PROGRAMS[name]
    units = int(units * size) // 100 * 100
    limit = int(mib * MIB * size * random.Random(seed).uniform(0.8, 1.2))
    more = for_packing if side == "packing" else {}
    env, run = heaps.preloaded(heaps.OURS, **SIDES[side], **more), Run(longest_s)
    with tempfile.TemporaryDirectory() as folder, groups.Group(limit) as group:
        once(run, group, env, folder, seed, units)
        run.finish(units, group.kills())
    return run


# -- tables ------------------------------------------------------------------------------------

def spread(values):
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


class Ends:
    """How the runs of each program ended without the response and with it, seed by seed."""

    def __init__(self):
        self.runs = {}  # program -> side -> runs
        self.loads = [os.getloadavg()[0]]

    def add(self, name, side, run):
        self.runs.setdefault(name, {side: [] for side in SIDES})[side].append(run)
        self.loads.append(os.getloadavg()[0])

    def pairs(self, name, side):
        return list(zip(self.runs[name]["off"], self.runs[name][side]))

    def kills(self, side):
        return sum(run.end == "killed" for sides in self.runs.values() for run in sides[side])

    def outlived(self, name, side):
        return sum(on.outlives(off) for off, on in self.pairs(name, side))

    def ends(self, name, side):
        ends = [run.end for run in self.runs[name][side]]
        return ", ".join(f"{ends.count(end)} {end}" for end in dict.fromkeys(ends))

    def row(self, name, side):
        pairs = self.pairs(name, side)
        work = spread([on.passed / max(off.passed, 1) for off, on in pairs])
        answered = spread([on.answered / max(off.answered, 1) for off, on in pairs])
        stood = max(run.stood for run in self.runs[name][side])
        return [name, self.ends(name, "off"), side, self.ends(name, side),
                f"{self.outlived(name, side)} of {len(pairs)}", work, answered, f"{stood:.1f} s"]

    def print(self):
        print("\n### Programs that want more memory than their control group has\n\n"
              "Outlived: seeds killed without the response, with which they finished or went through\n"
              "twice the work. Work: to that without the response, median, least and most; answered:\n"
              "of it, what did not meet an error. Stood still: the longest of all runs.\n"
              f"Load {min(self.loads):.0f} to {max(self.loads):.0f}.\n")
        print("| | without | response | with | outlived | work gone through | answered | stood still |")
        print("|---|---|---|---|--:|--:|--:|--:|")
        for name in self.runs:
            for side in RESPONSES:
                print(f"| {' | '.join(self.row(name, side))} |")
        off, seeds = self.kills("off"), sum(len(sides["off"]) for sides in self.runs.values())
        for side in RESPONSES:
            killed = self.kills(side)
            fewer = f", {1 - killed / off:.0%} fewer" if off else ""
            outlived = sum(self.outlived(name, side) for name in self.runs)
            print(f"\n{side}: killed by the kernel {off} without, {killed} with it{fewer}; "
                  f"outlived {outlived} of {seeds}.")

    def result(self):
        return {"title": "survival", "rows": {
            name: {side: [{"end": run.end, "seconds": run.seconds, "stood": run.stood,
                           "passed": run.passed, "answered": run.answered} for run in runs]
                   for side, runs in sides.items()} for name, sides in self.runs.items()}}


def run_survival(rows, _compared, options):
    try:
        groups.Group(MIB * 16).__exit__()
    except OSError as error:
        print(f"skipped: no control group can be made: {error}")
        return []
    ends = Ends()
    longest_s = QUICK_S if options.quick else LONGEST_S
    for name, (need, *_) in PROGRAMS.items():
        if ROW + name not in rows:
            continue
        if shutil.which(need) is None:
            print(f"skipped: {need} is not installed")
            continue
        for seed in range(1, options.seeds + 1):
            for side in SIDES:
                measure.progress(f"  {name}: seed {seed} of {options.seeds}, {side}")
                ends.add(name, side, run_once(name, side, seed, options.group_size, longest_s))
    measure.progress()
    return [ends] if ends.runs else []
