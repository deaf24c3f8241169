"""What samples of memory and forecasts cost, in a process that is at work all the time, before all
others (chrt), in a group of which a third is used, and four fifths."""

import json
import os
import shutil
import subprocess
import tempfile
import time

from . import groups, heaps, measure, programs

MIB = 1 << 20
TOOL = os.path.join(heaps.BUILD, "tools", "mpress")
WORK_S, SAMPLES_A_SECOND = 5, 10
FIRST = ["chrt", "-f", "10"] if shutil.which("chrt") else []
GROUPS_MIB = {"a third of its group": 96, "four fifths of it": 36}
SOURCE = """import time
kept = [bytearray(3000) for _ in range(8000)]
end = time.monotonic() + %d
while time.monotonic() < end:
    work = [bytearray(3 * i) for i in range(300)]
    del work
""" % (WORK_S + 20)


def sample_ns(mib):
    """(ns a sample, samples) of the program in a group of so many MiB, of its last seconds."""
    env = heaps.preloaded(heaps.OURS, MPRESS_PRESSURE="on", **programs.ON_MALLOC)
    with groups.Group(mib * MIB) as group:
        program = subprocess.Popen(group.command([*FIRST, programs.PYTHON, "-c", SOURCE]), env=env)
        try:
            time.sleep(2)
            begin = signals(program)
            time.sleep(WORK_S)
            end = signals(program)
        finally:
            program.kill()
            program.wait()
    samples = end["samples"] - begin["samples"]
    if samples <= 0:
        raise measure.Failed("no sample was taken")
    return (end["sample_ns"] - begin["sample_ns"]) / samples, samples


def signals(program):
    done = subprocess.run([TOOL, "stats", "--json", str(program.pid)], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise measure.Failed(done.stderr.strip())
    return json.loads(done.stdout)["pressure"]


def forecast_ns(ticks=20000):
    """Of a tick, by the tool's own time: an upper bound, as it reads the series and prints, too."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.write("second,used\n")
        file.writelines(f"{i},{10**8 + i % 997 * 10**5}\n" for i in range(ticks))
        file.flush()
        before = os.times().children_user
        subprocess.run([TOOL, "forecast", "--limit", "400M", file.name], check=True,
                       stdout=subprocess.DEVNULL)
        return (os.times().children_user - before) * 1e9 / ticks


PREAD = """import os, time
file, took = os.open("/proc/self/statm", os.O_RDONLY), []
for _ in range(20):
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        sum(range(1000))
    begin = time.perf_counter_ns()
    os.pread(file, 4096, 0)
    took.append(time.perf_counter_ns() - begin)
print(sorted(took)[10])
"""


def pread_ns():
    """What the machine takes just now for one read as rare as a sample is: the median."""
    done = subprocess.run([*FIRST, programs.PYTHON, "-c", PREAD], capture_output=True, check=True)
    return int(done.stdout)


def run_sampling(_names, _compared, options):
    print("\n### What samples and forecasts cost\n\nOf one core: ten samples and a forecast a second.\n")
    print("| a process that uses | a sample | a forecast, at most | of one core |")
    print("|---|--:|--:|--:|")
    try:
        forecast = forecast_ns()
        for use, mib in GROUPS_MIB.items():
            rounds = [sample_ns(mib)[0] for _ in range(options.rounds or (1 if options.quick else 3))]
            least = min(rounds)
            print(f"| {use} | {least / 1000:.2f} µs (most {max(rounds) / 1000:.2f}) | "
                  f"{forecast / 1000:.1f} µs | {(SAMPLES_A_SECOND * least + forecast) / 1e7:.4f} % |",
                  flush=True)
        print(f"\nOne read of /proc/self/statm, as rare as a sample, takes {pread_ns() / 1000:.1f} µs just now.")
    except OSError as error:
        print(f"skipped: {error}")
    except measure.Failed as failure:
        measure.failures.append(f"sampling failed: {failure}")
        print(failure)
    return []
