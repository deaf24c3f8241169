"""Real programs: wall time and peak resident memory."""

import os
import re
import shutil
import subprocess
import tempfile
import time

from . import heaps, measure
from .tables import Table

WORKLOADS = os.path.join(heaps.ROOT, "tests", "bench", "workloads")
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or shutil.which("python3")
ON_MALLOC = {"PYTHONMALLOC": "malloc"}


def workload(name):
    return os.path.join(WORKLOADS, name)


def plain(command, stdin=os.devnull, **variables):
    """A program that is one command."""
    def prepare(_folder):
        return lambda heap: measure.launch(heap, command, stdin, **variables)[0]
    return prepare


def generate(folder, name, path):
    """Runs the generator `name`, which writes what a program will work on to stdout."""
    with open(path, "w") as target:
        subprocess.run([PYTHON, workload(name)], stdout=target, cwd=folder, check=True,
                       env=heaps.GLIBC.environment())


def prepare_gcc(folder):
    source = os.path.join(folder, "generated.c")
    generate(folder, "c_source.py", source)
    cc1 = subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True,
                         check=True).stdout.strip()
    return lambda heap: measure.launch(
        heap, [cc1, "-quiet", "-O2", source, "-o", os.path.join(folder, "generated.s")])[0]


def git(repository, *arguments):
    return ["git", "-c", "gc.auto=0", "-c", "pack.threads=1", "-C", repository, *arguments]


def make_repository(folder):
    repository = os.path.join(folder, "repository")
    stream = os.path.join(folder, "stream")
    generate(folder, "git_stream.py", stream)
    subprocess.run(["git", "init", "-q", repository], check=True)
    with open(stream) as source:
        subprocess.run(git(repository, "fast-import", "--quiet"), stdin=source, check=True)
    return repository


def prepare_git_log(folder):
    command = git(make_repository(folder), "log", "--all", "--stat", "-M")
    return lambda heap: measure.launch(heap, command)[0]


def prepare_git_repack(folder):
    command = git(make_repository(folder), "repack", "-a", "-d", "-f", "-q")
    return lambda heap: measure.launch(heap, command)[0]


REDIS_LOADS = (["-t", "set,get", "-r", "100000", "-n", "300000", "-d", "200"],
               ["-t", "lpush,hset,sadd", "-r", "100000", "-n", "200000", "-d", "60"])


def redis_ask(socket, *command):
    return subprocess.run(["redis-cli", "-s", socket, *command], capture_output=True, text=True,
                          env=heaps.GLIBC.environment(), check=False).stdout.strip()


def redis_wait(server, socket):
    end = time.monotonic() + 10
    while redis_ask(socket, "ping") != "PONG":
        if server.poll() is not None or time.monotonic() > end:
            raise measure.Failed("redis-server did not come up")
        time.sleep(0.02)


def redis_peak(socket):
    pid = re.search(r"process_id:(\d+)", redis_ask(socket, "info", "server")).group(1)
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmHWM:\s*(\d+)", status.read()).group(1)) / 1024


def redis_serve(folder, env, said, ask, loads=REDIS_LOADS):
    """Runs a server in `env` that says what it has to say into `said`, loads it, and asks it
    before it ends: (seconds that the clients took, the answer)."""
    socket = os.path.join(folder, "socket")
    server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", socket, "--save", "",
                               "--dir", folder], env=env, stdout=subprocess.DEVNULL, stderr=said)
    try:
        redis_wait(server, socket)
        start = time.perf_counter()
        for load in loads:
            subprocess.run(["redis-benchmark", "-s", socket, "-q", "-P", "16", *load], check=True,
                           env=heaps.GLIBC.environment(), stdout=subprocess.DEVNULL)
        seconds, answer = time.perf_counter() - start, ask(socket)
        redis_ask(socket, "shutdown", "nosave")
        server.wait(timeout=10)
        return seconds, answer
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failure:
        raise measure.Failed(str(failure)) from failure
    finally:
        server.kill()
        server.wait()


def redis_once(heap, folder, loads=REDIS_LOADS):
    """Only the server runs under the heap; timed are its clients."""
    seconds, peak = redis_serve(folder, heaps.preloaded(heap), subprocess.DEVNULL, redis_peak,
                                loads)
    return {"seconds": seconds, "peak_mib": peak}


def prepare_redis(folder):
    return lambda heap: redis_once(heap, folder)


# name -> (the commands it needs, how it is made ready: folder -> function of a heap)
PROGRAMS = {
    "python3": ([], plain([PYTHON, workload("build_data.py")], **ON_MALLOC)),
    "python3-objects": ([], plain([PYTHON, workload("objects.py")], **ON_MALLOC)),
    "perl": (["perl"], plain(["perl", workload("words.pl")])),
    "lua": (["lua5.4"], plain(["lua5.4", workload("tables.lua")])),
    "sqlite3": (["sqlite3"], plain(["sqlite3", ":memory:"], workload("rows.sql"))),
    "gcc": (["gcc"], prepare_gcc),
    "git-log": (["git"], prepare_git_log),
    "git-repack": (["git"], prepare_git_repack),
    "redis": (["redis-server", "redis-benchmark", "redis-cli"], prepare_redis),
}


def names():
    return {name: f"needs {', '.join(needs) or 'python3'}" for name, (needs, _) in PROGRAMS.items()}


def run_programs(wanted, compared, options):
    heap_names = [heap.name for heap in compared]
    seconds = Table("Real programs: wall time", "s", heap_names)
    peak = Table("Real programs: peak resident memory", "MiB", heap_names)
    for name in wanted:
        needs, prepare = PROGRAMS[name]
        missing = [command for command in needs if shutil.which(command) is None]
        if missing:
            print(f"skipped: {name} needs {', '.join(missing)}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            measure.progress(f"  {name}: preparing")
            once = prepare(folder)
            turns = {heap.name: lambda heap=heap: once(heap) for heap in compared}
            taken = measure.take_turns(name, turns, options.rounds)
        seconds.add(name, taken, "seconds")
        peak.add(name, taken, "peak_mib")
    return [seconds, peak]
