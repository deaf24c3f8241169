"""What traces cost: five programs in every mode, beside heaptrack's; and how long traces are."""

import glob
import json
import os
import shlex
import shutil
import statistics
import subprocess
import tempfile
import time

from . import heaps, measure
from .programs import ON_MALLOC, PYTHON, REDIS_LOADS, redis_once, workload
from .tables import Table

TOOL = os.path.join(heaps.BUILD, "tools", "mpress")
MODES = ("sample", "events", "full")
SHARE_OF_HEAPTRACK = {"g++": 1 / 3}  # what full may add at most; all others a sixth
PYTHON_ROWS, SQL_ROWS, CALLS = 60000, 300000, 5000000


# -- the programs: made ready in a folder for a share of their work, then run under a heap --------

def plain(command, stdin=os.devnull, **variables):
    return lambda heap: measure.launch(heap, command, stdin, **variables)[0]


def make_python(_folder, size):
    return plain([PYTHON, workload("build_data.py"), str(int(PYTHON_ROWS * size))], **ON_MALLOC)


def make_sqlite(folder, size):
    script = os.path.join(folder, "rows.sql")
    with open(workload("rows.sql")) as source, open(script, "w") as target:
        target.write(source.read().replace(str(SQL_ROWS), str(int(SQL_ROWS * size))))
    return plain(["sqlite3", ":memory:"], script)


def make_cxx(_folder, size):
    """The compiler itself, without the driver; for less work it is told to optimise nothing."""
    level = "-O2" if size >= 0.5 else "-O0"
    said = subprocess.run(["g++", "-###", level, "-S", workload("headers.cpp"), "-o", os.devnull],
                          capture_output=True, text=True, check=True, env=heaps.GLIBC.environment())
    line = next(line for line in said.stderr.splitlines() if "cc1plus" in line and line[0] == " ")
    return plain([*shlex.split(line), "-quiet"])


def make_redis(folder, size):
    loads = [[str(int(int(word) * size)) if before == "-n" else word
              for before, word in zip(["", *load], load)] for load in REDIS_LOADS]
    return lambda heap: redis_once(heap, folder, loads)


def make_threads(_folder, size):
    return plain([os.path.join(heaps.PROGRAMS, "bench_random_threads"), str(int(CALLS * size))])


# name -> (the commands it needs, how it is made ready)
TRACED = {
    "python3": ([], make_python),
    "sqlite3": (["sqlite3"], make_sqlite),
    "g++": (["g++"], make_cxx),
    "redis": (["redis-server", "redis-benchmark", "redis-cli"], make_redis),
    "4 threads": ([], make_threads),
}


def traced_programs():
    for name, (needs, make) in TRACED.items():
        missing = [command for command in needs if shutil.which(command) is None]
        if missing:
            print(f"skipped: {name} needs {', '.join(missing)}")
        else:
            yield name, make


# -- traces ---------------------------------------------------------------------------------------

def tracing(mode, folder):
    return heaps.Heap(mode, heaps.MPRESS, {"MPRESS_TRACE": mode,
                                           "MPRESS_TRACE_FILE": f"{folder}/{mode}.%p.mpt"})


def longest_trace(mode, folder):
    return max(glob.glob(f"{folder}/{mode}.*.mpt"), key=os.path.getsize)


def remove_traces(mode, folder):
    for path in glob.glob(f"{folder}/{mode}.*.mpt"):
        os.remove(path)


def record(run, mode, folder):
    """One run with a trace, which stays: what it took, the trace's length with it."""
    remove_traces(mode, folder)
    taken = run(tracing(mode, folder))
    return {**taken, "trace_bytes": os.path.getsize(longest_trace(mode, folder))}


def count_events(mode, folder):
    said = subprocess.run([TOOL, "report", "--json", "--top", "1", longest_trace(mode, folder)],
                          check=True, capture_output=True)
    return json.loads(said.stdout)["events"]["events"]


def pack(mode, folder):
    """Its length, packed."""
    path = longest_trace(mode, folder)
    subprocess.run([TOOL, "pack", "--quiet", path], check=True)
    return os.path.getsize(path)


# -- heaptrack ------------------------------------------------------------------------------------

def find_heaptrack():
    """Its library and its interpreter, as its script finds them; None: it is not installed."""
    script = shutil.which("heaptrack")
    if script is None or shutil.which("zstd") is None:
        return None
    folder = os.path.join(os.path.dirname(os.path.realpath(script)), "..", "lib", "heaptrack")
    found = (os.path.join(folder, "libheaptrack_preload.so"),
             os.path.join(folder, "libexec", "heaptrack_interpret"))
    return found if all(os.path.exists(path) for path in found) else None


def heaptrack_once(run, folder):
    """As its script does it: the program tells an interpreter through a pipe. Done when that is."""
    library, interpreter = find_heaptrack()
    pipe, said = os.path.join(folder, "pipe"), os.path.join(folder, "heaptrack.zst")
    if not os.path.exists(pipe):
        os.mkfifo(pipe)
    reader = subprocess.Popen(["sh", "-c", '"$0" <"$1" | zstd -q -f -o "$2"', interpreter, pipe,
                               said], env=heaps.GLIBC.environment(), stderr=subprocess.DEVNULL)
    # The interpreter ends even if nobody tells it anything; a program whose interpreter died (it
    # may ask for 24 GiB at once) is told so by SIGPIPE, as we do not read.
    keeper = os.open(pipe, os.O_WRONLY)
    try:
        taken = run(heaps.Heap("heaptrack", library, {"DUMP_HEAPTRACK_OUTPUT": pipe}))
        before = time.perf_counter()
    finally:
        os.close(keeper)
        reader.wait()
    return {"seconds": taken["seconds"] + time.perf_counter() - before,
            "peak_mib": taken["peak_mib"], "trace_bytes": os.path.getsize(said)}


# -- the price ------------------------------------------------------------------------------------

def make_turns(run, folder):
    turns = {"glibc": lambda: run(heaps.GLIBC),
             "off": lambda: run(heaps.OURS),
             "counters": lambda: run(heaps.Heap("counters", heaps.MPRESS, {"MPRESS_STATS": "1"}))}
    for mode in MODES:
        turns[mode] = lambda mode=mode: record(run, mode, folder)
    if find_heaptrack():
        turns["heaptrack"] = lambda: heaptrack_once(run, folder)
    return turns


def seconds_of(taken, name):
    return [one["seconds"] for one in taken.get(name, [])]


def paired(make, *columns):
    """Of each round one figure, made of what it took in that round."""
    return [make(*row) for row in zip(*columns)]


class Prices:
    """The tables, to which each program adds a row."""

    def __init__(self, names):
        tools = [name for name in names if name not in ("glibc", "off")]
        has_other = "heaptrack" in names
        self.seconds = Table("Traces: wall time", "s", names, means=False)
        self.ratio = Table("Traces: wall time of the same round, ours to ours without a trace, "
                           "heaptrack's to glibc", "ratio", tools, means=False)
        self.share = Table("What full adds, as a share of what heaptrack adds", "share",
                           ["share", "at most"], means=False) if has_other else None
        self.peak = Table("Traces: peak resident memory", "MiB", names, means=False)
        self.event = Table("Traces: wall time that an event adds", "ns",
                           ["events", "full"] + ["heaptrack"] * has_other, means=False)
        self.bytes = Table("Traces: length", "bytes an event",
                           ["events", "events, packed", "full", "full, packed"] +
                           ["heaptrack"] * has_other, means=False)

    def tables(self):
        return [table for table in (self.seconds, self.ratio, self.share, self.peak, self.event,
                                    self.bytes) if table]

    def add(self, program, taken, events, packed):
        self.seconds.add(program, taken, "seconds")
        self.peak.add(program, taken, "peak_mib")
        glibc, off = seconds_of(taken, "glibc"), seconds_of(taken, "off")
        for name in self.ratio.names:
            base, own = glibc if name == "heaptrack" else off, seconds_of(taken, name)
            if base and own:
                self.ratio.add_cell(program, name, paired(lambda a, b: a / b, own, base))
            if base and own and name in self.event.names:
                adds = paired(lambda a, b: 1e9 * (a - b) / events["events"], own, base)
                self.event.add_cell(program, name, adds)
        self.add_share(program, glibc, off, taken)
        for name, count in events.items():
            own = [one["trace_bytes"] / count for one in taken.get(name, [])]
            if own:
                self.bytes.add_cell(program, name, own)
        for mode, length in packed.items():
            self.bytes.add_cell(program, f"{mode}, packed", [length / events[mode]])

    def add_share(self, program, glibc, off, taken):
        full, other = seconds_of(taken, "full"), seconds_of(taken, "heaptrack")
        if self.share and full and other:
            share = paired(lambda g, o, f, h: (f / o - 1) / (h / g - 1), glibc, off, full, other)
            self.share.add_cell(program, "share", share)
            self.share.add_cell(program, "at most", [SHARE_OF_HEAPTRACK.get(program, 1 / 6)])


def run_trace(_names, _compared, options):
    prices = None
    for program, make in traced_programs():
        with tempfile.TemporaryDirectory() as folder:
            turns = make_turns(make(folder, options.size), folder)
            prices = prices or Prices(list(turns))
            taken = measure.take_turns(f"trace {program}", turns, options.rounds)
            traced = [mode for mode in ("events", "full") if taken.get(mode)]
            measure.progress(f"  {program}: events and lengths")
            events = {mode: count_events(mode, folder) for mode in traced}
            packed = {mode: pack(mode, folder) for mode in traced}
            if "heaptrack" in taken and "full" in events:
                events["heaptrack"] = events["full"]
            prices.add(program, taken, events, packed)
    return prices.tables()


# -- lengths alone --------------------------------------------------------------------------------

def measure_lengths(mode, options):
    table = Table(f"Length of traces, mode {mode}", "bytes an event",
                  ["events", "as written", "packed"], means=False)
    for name, make in traced_programs():
        with tempfile.TemporaryDirectory() as folder:
            measure.progress(f"  {name}, {mode}")
            raw = record(make(folder, options.size), mode, folder)["trace_bytes"]
            events = count_events(mode, folder)
            table.add_cell(name, "events", [events])
            table.add_cell(name, "as written", [raw / events])
            table.add_cell(name, "packed", [pack(mode, folder) / events])
    rows = list(table.rows.values())
    for column in table.names:
        table.add_cell("mean", column, [statistics.mean(row[column]["median"] for row in rows)])
    return table


def run_sizes(_names, _compared, options):
    return [measure_lengths(mode, options) for mode in ("full", "events")]
