"""Programs that want more memory than their control group has, without the response, with it as it
is by default, and with it packing cold memory (which takes a right).

Each has work for which it would need more than twice the limit. A run ends by the kernel (killed),
by the program (gave up), or with the work (finished: what found no memory was answered by an error);
a program that is still at work after LONGEST_S is alive, without progress it hangs, and lived until
it last got on."""

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
LONGEST_S, STILL_S = 20, 3
SIDES = {"off": {}, "on": {"MPRESS_PRESSURE": "on"},
         "packing": {"MPRESS_PRESSURE": "on", "MPRESS_COMPRESSION": "on"}}
RESPONSES = ("on", "packing")
LIVED_ON = ("finished", "alive")
PROGRESS = re.compile(rb"^(\d+) (\d+)\r?$", re.MULTILINE)


class Run:
    """What came of one run."""

    def __init__(self):
        self.start = self.moved = time.monotonic()
        self.seconds = 0
        self.passed = self.answered = 0  # units of work that it went through; with success
        self.has_ended, self.end = False, "hung"

    def note(self, passed, answered):
        if passed != self.passed:
            self.moved = time.monotonic()
        self.passed, self.answered = passed, answered

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
        else:
            self.seconds = self.moved - self.start


# -- programs that say on their terminal how far they are -------------------------------------------

def watch(group, command, env, folder, stdin=None):
    """Runs the command in the group on a terminal, so that each line is seen as it is written."""
    run = Run()
    ours, its = pty.openpty()
    said = b""
    with open(stdin or os.devnull, "rb") as source:
        program = subprocess.Popen(group.command(command), stdin=source, stdout=its, stderr=its,
                                   env=env, cwd=folder, start_new_session=True)
    os.close(its)
    try:
        while time.monotonic() < run.start + LONGEST_S:
            if not select.select([ours], [], [], 0.5)[0]:
                continue
            try:
                said = said[-200:] + os.read(ours, 65536)
            except OSError:  # all have closed it
                run.has_ended = True
                break
            for passed, answered in PROGRESS.findall(said):
                run.note(int(passed), int(answered))
    finally:
        program.kill()
        program.wait()
        os.close(ours)
    return run


def plain(command_of):
    """command_of(seed, units of work) -> command"""
    def once(group, env, folder, seed, units):
        return watch(group, command_of(str(seed), str(units)), env, folder)
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


def sqlite_once(group, env, folder, seed, units):
    script = os.path.join(folder, "rows.sql")
    with open(script, "w", encoding="ascii") as file:
        file.write("pragma journal_mode=off;\ncreate table t(a integer primary key, b text);\n")
        file.writelines(SQLITE_UNIT % (seed * 7919 + number, number) for number in range(1, units + 1))
    return watch(group, ["sqlite3", "-separator", " ", ":memory:"], env, folder, script)


# -- redis, whose client, outside the group, counts ----------------------------------------------

def redis_once(group, env, folder, seed, units):
    path, run = os.path.join(folder, "socket"), Run()
    server = subprocess.Popen(group.command(redis.command(path, folder)), env=env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        link = redis.Link(server, path, STILL_S)
        for asked, answers in link.ask(redis.sets(seed, range(units))):
            run.note(run.passed + asked, run.answered + answers.count(b"+OK"))
            if time.monotonic() > run.start + LONGEST_S:
                break
    except ConnectionError:
        run.has_ended = True
    except OSError:  # it answers no more
        pass
    finally:
        server.kill()
        server.wait()
    return run


# name -> (what it needs, MiB of its group, units of work, how it is run once)
PROGRAMS = {
    "python3": ("python3", 40, 9000, plain(lambda seed, units: [
        programs.PYTHON, programs.workload("leaking_service.py"), seed, units])),
    "redis": ("redis-server", 40, 200000, redis_once),
    "sqlite3": ("sqlite3", 24, 1500, sqlite_once),
    "C, subscribed": ("sh", 40, 12000, plain(lambda seed, units: [
        os.path.join(heaps.PROGRAMS, "bench_leaker"), seed, units])),
    "node": ("node", 80, 6000, plain(lambda seed, units: [
        "node", programs.workload("leaking_service.js"), seed, units])),
}


def run_once(name, variables, seed, size):
    _, mib, units, once = PROGRAMS[name]
    units = int(units * size) // 100 * 100
    limit = int(mib * MIB * size * random.Random(seed).uniform(0.8, 1.2))
    env = heaps.preloaded(heaps.OURS, **variables)
    with tempfile.TemporaryDirectory() as folder, groups.Group(limit) as group:
        run = once(group, env, folder, seed, units)
        run.finish(units, group.kills())
    return run


# -- tables ------------------------------------------------------------------------------------

class Ends:
    """How the runs of each program ended without the response and with it, seed by seed."""

    def __init__(self):
        self.runs = {}  # program -> side -> runs

    def pairs(self, name, side):
        return list(zip(self.runs[name]["off"], self.runs[name][side]))

    def kills(self, side):
        return sum(run.end == "killed" for sides in self.runs.values() for run in sides[side])

    def ends(self, name, side):
        ends = [run.end for run in self.runs[name][side]]
        return ", ".join(f"{ends.count(end)} {end}" for end in dict.fromkeys(ends))

    def lived(self, name, side):
        return f"{statistics.median(run.seconds for run in self.runs[name][side]):.1f} s"

    def row(self, name, side):
        pairs = self.pairs(name, side)
        outlived = sum(off.end == "killed" and (on.end in LIVED_ON or on.seconds >= 2 * off.seconds)
                       for off, on in pairs)
        work = statistics.median(on.passed / max(off.passed, 1) for off, on in pairs)
        answered = statistics.median(on.answered / max(off.answered, 1) for off, on in pairs)
        return [name, self.ends(name, "off"), self.lived(name, "off"), side, self.ends(name, side),
                self.lived(name, side), f"{outlived} of {len(pairs)}", f"{work:.2f}", f"{answered:.2f}"]

    def print(self):
        print("\n### Programs that want more memory than their control group has\n\nLived: median; "
              "outlived: seeds killed without the response, with it at work twice as long, alive\n"
              f"after {LONGEST_S} s, or finished. Work: median, to that without the response.\n")
        print("| | response off | lived | response | | lived | outlived | work gone through | answered |")
        print("|---|---|--:|---|---|--:|--:|--:|--:|")
        for name in self.runs:
            for side in RESPONSES:
                print(f"| {' | '.join(self.row(name, side))} |")
        off = self.kills("off")
        for side in RESPONSES:
            killed = self.kills(side)
            fewer = f", {1 - killed / off:.0%} fewer" if off else ""
            print(f"\nKilled by the kernel: {off} without the response, {killed} with it ({side}){fewer}.")

    def result(self):
        return {"title": "survival", "rows": {
            name: {side: [{"end": run.end, "seconds": run.seconds, "passed": run.passed,
                           "answered": run.answered} for run in runs]
                   for side, runs in sides.items()} for name, sides in self.runs.items()}}


def run_survival(_names, _compared, options):
    try:
        groups.Group(MIB * 16).__exit__()
    except OSError as error:
        print(f"skipped: no control group can be made: {error}")
        return []
    ends = Ends()
    for name, (need, *_) in PROGRAMS.items():
        if shutil.which(need) is None:
            print(f"skipped: {need} is not installed")
            continue
        ends.runs[name] = {side: [] for side in SIDES}
        for seed in range(1, options.seeds + 1):
            for side, variables in SIDES.items():
                measure.progress(f"  {name}: seed {seed} of {options.seeds}, {side}")
                ends.runs[name][side].append(run_once(name, variables, seed, options.group_size))
    measure.progress()
    return [ends]
